//! Paths as bytes. Nothing here asks the filesystem: `..` and symbolic links are left to whoever can.

/// Splits a path into what leads to its last component and that component.
///
/// Trailing slashes are dropped, as mkdir(2) drops them. The first part is empty for a bare name. `None` for
/// an empty path, the root, and a last component of `.` or `..`, none of which can name a lock.
pub fn split_last(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = path.iter().rposition(|&byte| byte != b'/')?;
    let path = path.get(..=end)?;
    let (parent, last) = match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (path.get(..=slash)?, path.get(slash + 1..)?),
        None => (&path[..0], path),
    };
    (last != b"." && last != b"..").then_some((parent, last))
}

#[cfg(test)]
mod tests {
    use super::split_last;

    fn check(path: &str, expected: Option<(&str, &str)>) {
        let expected = expected.map(|(parent, last)| (parent.as_bytes(), last.as_bytes()));
        assert_eq!(split_last(path.as_bytes()), expected, "{path:?}");
    }

    #[test]
    fn last_component() {
        check("/home/u/.claude.lock", Some(("/home/u/", ".claude.lock")));
        check("/home/u/.claude.lock//", Some(("/home/u/", ".claude.lock")));
        check(".claude.lock", Some(("", ".claude.lock")));
        check("./.claude.lock", Some(("./", ".claude.lock")));
        check("/x", Some(("/", "x")));
        check("//x", Some(("//", "x")));
        check("a/..", None);
        check("a/.", None);
        check("/", None);
        check("", None);
    }
}
