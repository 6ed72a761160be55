//! Policies nobody wrote: no panic, no hang, and the answer that the second engine and OPA give.
//!
//! A few seconds of it always run, with a fixed seed. For long:
//! `FUZZ_SECONDS=600 FUZZ_SEED=7 OPA=/path/to/opa cargo test --test all -- --ignored fuzz --nocapture`.
//! What is found is shrunk and printed with the seed of its case. A case that overflows the stack ends the process; it is
//! in `fuzz-case.txt` in Cargo's directory for the files of tests.

mod answer;
mod judge;
mod mutate;
mod opa;
mod policy;
mod random;
mod repair;
mod run;
mod seeds;
mod shrink;
mod terms;
mod text;
mod values;

use std::time::Duration;

use run::Run;

/// What every evaluating thread has.
const STACK_BYTES: usize = 64 << 20;

fn on_a_large_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap().join().unwrap();
}

#[test]
fn a_few_seconds_of_fuzzing() {
    on_a_large_stack(|| {
        let mut run = Run::new(1, None);
        for case in 0..48 {
            run.case(case);
        }
        run.finish();
    });
}

#[test]
#[ignore = "runs for FUZZ_SECONDS"]
fn fuzz_for_long() {
    let number =
        |name: &str, default| std::env::var(name).map_or(default, |text| text.parse::<u64>().expect("a number"));
    let (seconds, seed) = (number("FUZZ_SECONDS", 60), number("FUZZ_SEED", 1));
    on_a_large_stack(move || {
        let opa = std::env::var_os("OPA").map(std::path::PathBuf::from);
        let mut run = Run::new(seed, opa.as_deref());
        run.for_time(Duration::from_secs(seconds));
        run.finish();
    });
}
