use anyhow::Result; use super::run::Lab; use crate::report::Report; pub fn run(_: &Lab, _: &crate::args::LongHolderArgs) -> Result<Report> { todo!() }
