//! TURN servers: how fast an address that relays is had, and how long trying every transport takes.

mod allocate;
mod capture;
mod coturn;
mod phase;

use anyhow::Result;

use crate::row::Row;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let mut rows = allocate::measure()?;
    rows.extend(phase::measure()?);
    Ok(rows)
}
