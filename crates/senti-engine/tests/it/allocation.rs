//! Nothing is allocated while training, once everything has been touched.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use senti_engine::{Adam, Loss, Pinball, Simd};

use crate::cases::{architecture, batch, network};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// All threads are counted, so the other tests must not run beside it: it runs alone in a process of its own.
#[test]
fn training_allocates_nothing() {
    let test = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "allocation::counted",
            "--ignored",
            "--test-threads=1",
        ])
        .output()
        .unwrap();
    assert!(
        test.status.success(),
        "{}",
        String::from_utf8_lossy(&test.stdout)
    );
    assert!(String::from_utf8_lossy(&test.stdout).contains("1 passed"));
}

#[test]
#[ignore = "run by training_allocates_nothing, in a process of its own"]
fn counted() {
    let net = architecture(5, 4, &[20, 9], 0.2, 6);
    for (threads, loss) in [
        (1, Loss::Mse),
        (1, Loss::Pinball(Pinball::new(&[0.2, 0.5, 0.8]))),
        (2, Loss::Mse),
        (3, Loss::Mae),
    ] {
        let mut network = network(&net, threads, Simd::detect(), 40);
        let batch = batch(&net, 40, 6 / loss.outputs_per_target());
        let mut out = vec![0.0; 40 * 6];
        let mut round = |steps: u64| {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            for step in 0..steps {
                network.train_batch(&batch, &loss, step).unwrap();
                network.clip_gradients(1.0);
                network.update(&Adam::default(), 1e-3);
                network.evaluate_batch(&batch, &loss);
                network.predict(&batch, &mut out);
            }
            ALLOCATIONS.load(Ordering::Relaxed) - before
        };
        round(3);
        let allocations = round(100);
        assert_eq!(
            allocations, 0,
            "allocations in 100 steps with {threads} threads"
        );
    }
}
