//! Replaces the raw sites of the main program, or leaves it as it is.
//!
//! No page of the program is made writable, and none of ours is writable and executable at once: a copy of each
//! page is changed in memory of our own, made executable, and moved over the page. What can fail is done before
//! the first page is moved, but for the moves themselves; if one fails, the pages that were moved are mapped from
//! the program's file again.

use core::{ptr, slice};

use lockspan_core::sites::{LONGEST, Site, Sites, number, wanted};
use lockspan_core::stub::native as stub;
use lockspan_core::text::copy;
use lockspan_lock::sys::{self, Errno};

use super::{Blind, entry};
use crate::memory::Memory;
use crate::program::{Place, Program};

/// The task directory of a process with one thread has three links: itself, its parent, and the thread.
const LINKS_OF_ONE_THREAD: libc::nlink_t = 3;

/// Does all of it, or nothing.
pub fn patch(program: &Program, sites: &Sites<'_>) -> Result<(), Blind> {
    if !entry::prepare() {
        return Err(Blind::NoVectorState);
    }
    // A handler would run code that is half replaced.
    let signals = sys::block_signals();
    let result = match sys::stat(libc::AT_FDCWD, c"/proc/self/task", 0) {
        Ok(tasks) if tasks.st_nlink == LINKS_OF_ONE_THREAD => patch_undisturbed(program, sites),
        _ => Err(Blind::Threads),
    };
    if let Ok(signals) = signals {
        sys::set_signals(signals);
    }
    result
}

fn patch_undisturbed(program: &Program, sites: &Sites<'_>) -> Result<(), Blind> {
    let work = Work { program, sites, page: page_size() };
    let (pages, count) = work.verify()?;
    let mut stubs = below(program, work.page, count * stub::LARGEST)?;
    let mut copies = Memory::new(pages * work.page).map_err(|_| Blind::Refused)?;
    let file = sys::open(c"/proc/self/exe", libc::O_RDONLY, 0).map_err(|_| Blind::NoFile)?;
    if !program.is_from(&file) {
        return Err(Blind::NoFile);
    }
    work.write(&mut stubs, &mut copies).ok_or(Blind::NoRoom)?;
    make_code(&stubs)?;
    make_code(&copies)?;
    let moved = work.each_page(pages, |index, to| {
        // SAFETY: there is no other thread. The copy does what the page did, the stubs included, and is not used
        // by its old address any more.
        unsafe { sys::move_over(copies.address + index * work.page, work.page, to.address) }?;
        entry::written(to.address, work.page);
        Ok(())
    });
    let Err(done) = moved else {
        stubs.keep();
        copies.keep();
        return Ok(());
    };
    // The move that failed may have unmapped its target.
    let restored = work.each_page(done + 1, |_, to| {
        // SAFETY: the loader has mapped the page from there.
        unsafe { sys::map_code_over(to.address, work.page, &file, to.offset) }
    });
    if restored.is_err() {
        // A page that stays leads to stubs, and these to plain calls, since the library is turned off.
        stubs.keep();
    }
    Err(Blind::Refused)
}

/// What is to be done.
struct Work<'a> {
    program: &'a Program,
    sites: &'a Sites<'a>,
    /// Bytes of a page: a power of two.
    page: usize,
}

/// A part of the work.
enum Step {
    /// A page of the program is to be replaced.
    Page(Place),
    /// A site is to be written, so many bytes behind the start of the first copy of a page.
    Site { site: Site, address: usize, behind: usize },
}

impl Work<'_> {
    /// The pages and sites, each site behind the last page that it touches.
    fn steps(&self) -> impl Iterator<Item = Option<Step>> {
        let mut sites = self.sites.clone();
        let (mut pages, mut last) = (0usize, 0usize);
        let mut current = None;
        core::iter::from_fn(move || {
            let site = current.or_else(|| sites.next())?;
            current = None;
            Some(self.place(&site).map(|(place, start, length)| {
                let page_of = |address: usize| address & !(self.page - 1);
                let (first_needed, last_needed) = (page_of(start), page_of(start + length - 1));
                if pages > 0 && last >= last_needed {
                    let behind = (pages * self.page).wrapping_sub(last + self.page - start);
                    return Step::Site { site, address: place.address, behind };
                }
                current = Some(site);
                last = if pages > 0 && last >= first_needed { last_needed } else { first_needed };
                pages += 1;
                let offset = place.offset.wrapping_add(last as u64).wrapping_sub(place.address as u64);
                Step::Page(Place { address: last, offset })
            }))
        })
    }

    /// Where a site is, and the address and length of what replaces its instruction.
    fn place(&self, site: &Site) -> Option<(Place, usize, usize)> {
        let place = self.program.code(site.address, site.bytes().len() as u64)?;
        let (start, bytes) = stub::replacement(site, place.address as u64, place.address as u64)?;
        Some((place, start as usize, bytes.len()))
    }

    /// Compares the program with its table, byte for byte; how many pages and sites there are.
    fn verify(&self) -> Result<(usize, usize), Blind> {
        let (mut pages, mut count) = (0, 0);
        for step in self.steps() {
            match step.ok_or(Blind::Unverified)? {
                Step::Page(_) => pages += 1,
                Step::Site { site, address, .. } => {
                    let length = site.bytes().len().min(LONGEST);
                    // SAFETY: code of the program, mapped to be read.
                    let found = unsafe { slice::from_raw_parts(address as *const u8, length) };
                    if found != site.bytes() || !number(&site).is_some_and(wanted) {
                        return Err(Blind::Unverified);
                    }
                    count += 1;
                }
            }
        }
        if count == 0 { Err(Blind::BadTable) } else { Ok((pages, count)) }
    }

    /// Writes the stubs, and the copies of the pages with the jumps to them.
    fn write(&self, stubs: &mut Memory, copies: &mut Memory) -> Option<()> {
        let (mut pages, mut count) = (0, 0);
        for step in self.steps().flatten() {
            match step {
                Step::Page(place) => {
                    let copy = copies.bytes().get_mut(pages * self.page..)?.get_mut(..self.page)?;
                    // SAFETY: a page of the program, mapped to be read; the copy is memory of ours.
                    unsafe {
                        ptr::copy_nonoverlapping(place.address as *const u8, copy.as_mut_ptr(), self.page)
                    };
                    pages += 1;
                }
                Step::Site { site, address, behind } => {
                    let start = count * stub::LARGEST;
                    let stub = (stubs.address + start) as u64;
                    let code = stubs.bytes().get_mut(start..)?;
                    let entry = entry::enter as *const () as u64;
                    stub::write(code, &site, address as u64, stub, entry)?;
                    let (_, jump) = stub::replacement(&site, address as u64, stub)?;
                    copy(copies.bytes().get_mut(behind..)?, &jump)?;
                    count += 1;
                }
            }
        }
        Some(())
    }

    /// Does something to the first `count` pages; how many were done if one failed.
    fn each_page(
        &self,
        count: usize,
        mut act: impl FnMut(usize, Place) -> Result<(), Errno>,
    ) -> Result<(), usize> {
        let pages = self.steps().flatten().filter_map(|step| match step {
            Step::Page(place) => Some(place),
            Step::Site { .. } => None,
        });
        pages.take(count).enumerate().try_for_each(|(index, place)| act(index, place).map_err(|_| index))
    }
}

/// Memory for stubs below the program, as close as possible: a jump does not reach far.
fn below(program: &Program, page: usize, length: usize) -> Result<Memory, Blind> {
    const ATTEMPTS: usize = 256;
    // Where the loader is started as a command, other mappings lie there.
    const STEP: usize = 1 << 16;
    let length = (length + page - 1) & !(page - 1);
    let mut address = program.lowest().ok_or(Blind::NoRoom)? as usize & !(page - 1);
    for _ in 0..ATTEMPTS {
        address = address.checked_sub(length.max(STEP)).ok_or(Blind::NoRoom)?;
        match Memory::at(address, length) {
            Ok(memory) => return Ok(memory),
            Err(Errno::EXIST) => {}
            // Below what the kernel gives out.
            Err(Errno::PERM) => return Err(Blind::NoRoom),
            Err(_) => return Err(Blind::Refused),
        }
    }
    Err(Blind::NoRoom)
}

/// Makes memory code, and tells the processor.
fn make_code(memory: &Memory) -> Result<(), Blind> {
    memory.make_code().map_err(|_| Blind::Refused)?;
    entry::written(memory.address, memory.length);
    Ok(())
}

fn page_size() -> usize {
    // SAFETY: has no precondition. Every kernel tells it.
    let size = unsafe { libc::getauxval(libc::AT_PAGESZ) } as usize;
    if size.is_power_of_two() { size } else { 4096 }
}
