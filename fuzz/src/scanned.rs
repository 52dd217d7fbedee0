//! What must hold of every program file that is scanned, whatever is in it.

use lockspan_core::sites;

use crate::scan::image::Image;
use crate::scan::{self, hint, names};

/// Scans a program as `lockspan scan` does and looks at what comes of it.
pub fn check(file: &[u8]) {
    let Ok(image) = Image::read(file) else { return };
    let parts: Vec<_> = image
        .code
        .iter()
        .map(|extent| (extent.address, extent.bytes(file).expect("checked when it was read")))
        .collect();
    let Ok(calls) = scan::read(&image, file) else { return };
    let Ok(wanted) = scan::wanted_sites(&image, &calls) else { return };
    for site in &wanted {
        let number = image.machine.number(site).expect("the form of a site");
        assert!(image.machine.wanted().contains(&number), "{number}");
        let is_there = parts.iter().any(|(address, code)| {
            site.address.checked_sub(*address).is_some_and(|start| {
                let rest = usize::try_from(start).ok().and_then(|start| code.get(start..));
                rest.is_some_and(|rest| rest.starts_with(site.bytes()))
            })
        });
        assert!(is_there, "the file has other bytes at {site:x?}");
        // `lockspan run` decodes a program only if this look finds something.
        let is_lock = names::makes_directory(image.machine, number);
        assert!(
            !is_lock || parts.iter().any(|(_, code)| hint::makes_directory(image.machine, code)),
            "{site:x?}"
        );
    }
    let Ok((build_id, text)) = scan::table_text(&image, &wanted) else { return };
    let table = sites::parse(text.as_bytes()).expect("a table that the library takes");
    assert_eq!((table.machine, table.build_id), (image.machine.name(), build_id));
    assert!(table.eq(wanted), "{text}");
}
