//! Catches panics on the adapter's own side and remembers where they happened.
//!
//! A cdylib has a standard library of its own: a panic that leaves it aborts the process that
//! loaded it, because the host's copy cannot catch it. So every call into adapter code goes
//! through [`guarded`], and nothing unwinds past it.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::data::Failure;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Sets the panic hook of this copy of the standard library, once. Panics outside of
/// [`guarded`] calls go to the hook that was there before.
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if DEPTH.with(Cell::get) == 0 {
                before(info);
                return;
            }
            if let Some(location) = info.location() {
                let place = format!("{}:{}", location.file(), location.line());
                PLACE.with(|kept| {
                    if let Ok(mut kept) = kept.try_borrow_mut() {
                        *kept = place;
                    }
                });
            }
        }));
    });
}

/// Calls `work`; a panic becomes a [`Failure`] with code `panic` and the place.
///
/// # Errors
/// The panic.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    install_hook();
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    // What a panic leaves half done is never looked at again: the session is poisoned.
    let result = catch_unwind(AssertUnwindSafe(work));
    DEPTH.with(|depth| depth.set(depth.get() - 1));
    result.map_err(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without words".to_owned());
        // A payload whose destructor panics must not get out either.
        std::mem::forget(payload);
        let place = PLACE.with(|kept| std::mem::take(&mut *kept.borrow_mut()));
        Failure {
            code: "panic".to_owned(),
            message: format!("the adapter panicked: {text}"),
            place,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_failure_with_its_place() {
        let failure =
            guarded(|| -> u32 { panic!("no such layer: {}", "shadow") }).expect_err("it panicked");
        assert_eq!(failure.code, "panic");
        assert_eq!(
            failure.message,
            "the adapter panicked: no such layer: shadow"
        );
        assert!(failure.place.contains("guard.rs:"), "{}", failure.place);
    }

    #[test]
    fn without_a_panic_nothing_changes() {
        assert_eq!(guarded(|| 7), Ok(7));
    }
}
