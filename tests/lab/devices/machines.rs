//! The virtual machines: as many as there are threads of tests, each booted once.

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use greenroom_lab::vm::{Image, Machine, MachineConfig};

/// The built program.
const GREENROOM: &str = env!("CARGO_BIN_EXE_greenroom");

/// Machines that nobody uses at the moment, without any devices.
static IDLE: Mutex<Vec<Machine>> = Mutex::new(Vec::new());

/// Fetches and builds what machines boot, which needs a network; does nothing if it is there.
pub(crate) fn prepare_or_exit() {
    // The sandbox, whose first stages come here again, has no network.
    if Image::find().is_ok() && std::env::var_os("GREENROOM_LAB_STAGE").is_some() {
        return;
    }
    if let Err(error) = Image::prepare() {
        let error: &dyn std::error::Error = &error;
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        eprintln!("error: {text}");
        std::process::exit(1);
    }
}

/// A machine for one test. The test takes away what it plugged; a test that fails takes the machine with it.
#[derive(Debug)]
pub(crate) struct Lent(Option<Machine>);

/// A machine without devices.
///
/// # Panics
///
/// It does not boot; the message has its console.
pub(crate) fn lend() -> Lent {
    let idle = idle().pop();
    Lent(Some(idle.unwrap_or_else(boot)))
}

/// Ends all machines.
pub(crate) fn close() {
    idle().clear();
}

fn boot() -> Machine {
    let config = MachineConfig::default().program("greenroom", GREENROOM);
    let booted = Image::find().and_then(|image| Machine::boot(&image, &config));
    booted.unwrap_or_else(|error| panic!("{error}"))
}

fn idle() -> MutexGuard<'static, Vec<Machine>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Deref for Lent {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        self.0.as_ref().unwrap()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let machine = self.0.take();
        if !std::thread::panicking() {
            idle().extend(machine);
        }
    }
}
