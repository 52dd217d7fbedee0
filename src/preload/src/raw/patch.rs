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
use lockspan_lock::sys::{self, Descriptor, Errno};

use super::{Blind, entry};
use crate::imports;
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
    let _blocked = sys::block_signals();
    match sys::stat(libc::AT_FDCWD, c"/proc/self/task", 0) {
        Ok(tasks) if tasks.st_nlink == LINKS_OF_ONE_THREAD => patch_undisturbed(program, sites),
        _ => Err(Blind::Threads),
    }
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
    let Err(done) = work.move_pages(&copies) else {
        stubs.keep();
        copies.keep();
        return Ok(());
    };
    // The move that failed may have unmapped its target.
    if work.restore_pages(done + 1, &file).is_err() {
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
    /// The site is to be written, so many bytes behind the start of the first copy of a page.
    Site { address: usize, behind: usize },
    /// The site is nowhere in the program.
    Lost,
}

/// The pages and sites, each site behind the last page that it touches.
struct Steps<'a> {
    work: &'a Work<'a>,
    sites: Sites<'a>,
    /// The site that the last step was for.
    site: Option<Site>,
    /// Whether only pages of it have come.
    is_pending: bool,
    /// How many pages have come, and the last of them.
    pages: usize,
    last: usize,
}

impl Steps<'_> {
    #[inline(never)]
    fn next(&mut self) -> Option<Step> {
        if !self.is_pending {
            self.site = self.sites.next();
        }
        self.is_pending = false;
        let Some((place, start, length)) = self.work.place(self.site.as_ref()?) else {
            return Some(Step::Lost);
        };
        let page = self.work.page;
        let page_of = |address: usize| address & !(page - 1);
        let (first_needed, last_needed) = (page_of(start), page_of(start + length - 1));
        if self.pages > 0 && self.last >= last_needed {
            let behind = (self.pages * page).wrapping_sub(self.last + page - start);
            return Some(Step::Site { address: place.address, behind });
        }
        self.is_pending = true;
        self.last = if self.pages > 0 && self.last >= first_needed { last_needed } else { first_needed };
        self.pages += 1;
        let offset = place.offset.wrapping_add(self.last as u64).wrapping_sub(place.address as u64);
        Some(Step::Page(Place { address: self.last, offset }))
    }

    fn next_page(&mut self) -> Option<Place> {
        loop {
            if let Step::Page(place) = self.next()? {
                return Some(place);
            }
        }
    }
}

impl Work<'_> {
    #[inline(never)]
    fn steps(&self) -> Steps<'_> {
        Steps { work: self, sites: self.sites.clone(), site: None, is_pending: false, pages: 0, last: 0 }
    }

    /// Where a site is, and the address and length of what replaces its instruction.
    fn place(&self, site: &Site) -> Option<(Place, usize, usize)> {
        let place = self.program.code(site.address, site.bytes().len() as u64)?;
        let (start, bytes) = stub::replacement(site, place.address as u64, place.address as u64)?;
        Some((place, start as usize, bytes.len()))
    }

    /// Compares the program with its table, byte for byte; how many pages and sites there are.
    fn verify(&self) -> Result<(usize, usize), Blind> {
        let mut steps = self.steps();
        let mut count = 0;
        while let Some(step) = steps.next() {
            match (step, &steps.site) {
                (Step::Page(_), _) => {}
                (Step::Site { address, .. }, Some(site)) => {
                    let length = site.bytes().len().min(LONGEST);
                    // SAFETY: code of the program, mapped to be read.
                    let found = unsafe { slice::from_raw_parts(address as *const u8, length) };
                    if found != site.bytes() || !number(site).is_some_and(wanted) {
                        return Err(Blind::Unverified);
                    }
                    count += 1;
                }
                _ => return Err(Blind::Unverified),
            }
        }
        if count == 0 { Err(Blind::BadTable) } else { Ok((steps.pages, count)) }
    }

    /// Writes the stubs, and the copies of the pages with the jumps to them.
    fn write(&self, stubs: &mut Memory, copies: &mut Memory) -> Option<()> {
        let mut steps = self.steps();
        let mut start = 0;
        while let Some(step) = steps.next() {
            match step {
                Step::Page(place) => {
                    let copy =
                        copies.bytes().get_mut((steps.pages - 1) * self.page..)?.get_mut(..self.page)?;
                    // SAFETY: a page of the program, mapped to be read; the copy is memory of ours.
                    unsafe {
                        ptr::copy_nonoverlapping(place.address as *const u8, copy.as_mut_ptr(), self.page)
                    };
                }
                Step::Site { address, behind } => {
                    let site = steps.site.as_ref()?;
                    let stub = (stubs.address + start) as u64;
                    let code = stubs.bytes().get_mut(start..)?;
                    let entry = entry::enter as *const () as u64;
                    stub::write(code, site, address as u64, stub, entry)?;
                    let (_, jump) = stub::replacement(site, address as u64, stub)?;
                    copy(copies.bytes().get_mut(behind..)?, &jump)?;
                    start += stub::LARGEST;
                }
                Step::Lost => return None,
            }
        }
        Some(())
    }

    /// Moves the copies over the pages; how many were moved if one could not be.
    fn move_pages(&self, copies: &Memory) -> Result<(), usize> {
        let mut steps = self.steps();
        let mut done = 0;
        while let Some(to) = steps.next_page() {
            // SAFETY: there is no other thread. The copy does what the page did, the stubs included, and is not used
            // by its old address any more.
            unsafe { sys::move_over(copies.address + done * self.page, self.page, to.address) }
                .map_err(|_| done)?;
            entry::written(to.address, self.page);
            done += 1;
        }
        Ok(())
    }

    /// Maps the first pages from the program's file again.
    fn restore_pages(&self, count: usize, file: &Descriptor) -> Result<(), Errno> {
        let mut steps = self.steps();
        for _ in 0..count {
            let Some(to) = steps.next_page() else { break };
            // SAFETY: the loader has mapped the page from there.
            unsafe { sys::map_code_over(to.address, self.page, file, to.offset) }?;
        }
        Ok(())
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
    let size = unsafe { imports::getauxval(libc::AT_PAGESZ) } as usize;
    if size.is_power_of_two() { size } else { 4096 }
}
