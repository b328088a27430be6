//! Threads: the same work over the items of a slice, one owner for each item at a time.
//!
//! In: items and what to do with each. Out: nothing but the items, changed. The threads are started once; handing out work allocates
//! nothing and costs less than a microsecond, for between two pieces of work the threads look for more before they go to sleep.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A fixed number of threads, the caller's among them.
///
/// ```
/// let team = senti_engine::Team::new(2);
/// let mut squares = [1, 2, 3, 4, 5];
/// team.each(&mut squares, |_, value| *value *= *value);
/// assert_eq!(squares, [1, 4, 9, 16, 25]);
/// ```
pub struct Team {
    /// None with one thread.
    crew: Option<Crew>,
}

struct Crew {
    board: Arc<Board>,
    /// Held while a job runs: work that shares out work again does all of it itself.
    captain: Mutex<()>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads of a team look at.
struct Board {
    /// Number of the job (20 bits), its items (22 bits), the next of them (22 bits): one word, so that an item can only be taken
    /// from the job it belongs to.
    ticket: AtomicU64,
    /// Items of this job that are done.
    done: AtomicUsize,
    /// The job: a `*const &Work` on the caller's stack, valid until all its items are done.
    work: AtomicPtr<()>,
    /// What the first panic of this job said.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    sleepers: AtomicUsize,
    /// Whether the team is dismissed.
    dismissed: Mutex<bool>,
    bell: Condvar,
}

type Work<'a> = dyn Fn(usize) + Sync + 'a;

const ITEM_BITS: u32 = 22;
const MAX_ITEMS: usize = (1 << ITEM_BITS) - 1;

/// Looks for work, some ten microseconds, before a thread lets others have its core.
const LOOKS: usize = 500;
/// And then turns with others before it goes to sleep.
const TURNS: usize = 20;

impl Board {
    /// Takes the next item, if there is one.
    fn take(&self) -> Option<usize> {
        let mut ticket = self.ticket.load(Ordering::SeqCst);
        loop {
            let (items, next) = (
                ticket as usize >> ITEM_BITS & MAX_ITEMS,
                ticket as usize & MAX_ITEMS,
            );
            if next >= items {
                return None;
            }
            let taken = self.ticket.compare_exchange_weak(
                ticket,
                ticket + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match taken {
                Ok(_) => return Some(next),
                Err(now) => ticket = now,
            }
        }
    }

    /// Does items until none is left; whether there was one.
    fn toil(&self) -> bool {
        let mut any = false;
        while let Some(item) = self.take() {
            any = true;
            let work = self.work.load(Ordering::Relaxed).cast_const();
            // SAFETY: an item of this job is in our hands and not done, so its caller still waits in `Crew::run` with `work` on its
            // stack; taking the item made visible what was written before the ticket was.
            let work: &Work<'_> = unsafe { *work.cast::<&Work<'_>>() };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(item))) {
                lock(&self.panic).get_or_insert(panic);
            }
            self.done.fetch_add(1, Ordering::Release);
        }
        any
    }

    /// The life of a thread.
    fn serve(&self) {
        let mut looks = 0;
        loop {
            if self.toil() {
                looks = 0;
            } else if looks < LOOKS {
                looks += 1;
                std::hint::spin_loop();
            } else if looks < LOOKS + TURNS {
                looks += 1;
                std::thread::yield_now();
            } else if self.sleep() {
                return;
            } else {
                looks = 0;
            }
        }
    }

    /// Sleeps until there is work; whether the team is dismissed.
    fn sleep(&self) -> bool {
        let mut dismissed = lock(&self.dismissed);
        // First in bed, then a last look: who posts a job looks at the beds after it, so one of the two sees the other.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while !*dismissed && self.is_idle() {
            dismissed = self
                .bell
                .wait(dismissed)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        *dismissed
    }

    fn is_idle(&self) -> bool {
        let ticket = self.ticket.load(Ordering::SeqCst) as usize;
        ticket & MAX_ITEMS >= ticket >> ITEM_BITS & MAX_ITEMS
    }
}

impl Crew {
    fn run(&self, items: usize, work: &Work<'_>) {
        assert!(items <= MAX_ITEMS, "{items} pieces of work");
        let board = &*self.board;
        board.done.store(0, Ordering::Relaxed);
        let job = &raw const work;
        board
            .work
            .store(job.cast_mut().cast::<()>(), Ordering::Relaxed);
        let number = (board.ticket.load(Ordering::Relaxed) >> (2 * ITEM_BITS)).wrapping_add(1);
        let ticket = number << (2 * ITEM_BITS) | (items as u64) << ITEM_BITS;
        board.ticket.store(ticket, Ordering::SeqCst);
        if board.sleepers.load(Ordering::SeqCst) > 0 {
            let _bed = lock(&board.dismissed);
            board.bell.notify_all();
        }
        board.toil();
        let mut looks = 0;
        while board.done.load(Ordering::Acquire) < items {
            looks += 1;
            if looks < LOOKS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        let panic = lock(&board.panic).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        *lock(&self.board.dismissed) = true;
        self.board.bell.notify_all();
        for thread in self.threads.drain(..) {
            // It catches what its work panics with.
            let _ = thread.join();
        }
    }
}

/// What a lock guards here is whole at every moment, also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pointer that may go to other threads, each of which looks at other places behind it.
struct Shared<T>(*mut T);

// SAFETY: it is only used to hand out each item of a slice of `T: Send` to one thread at a time.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// # Safety
    /// `first..first + len` lies in the slice behind the pointer, and nobody else looks at it.
    #[allow(
        clippy::mut_from_ref,
        reason = "the caller promises that the parts are disjoint"
    )]
    unsafe fn part(&self, first: usize, len: usize) -> &mut [T] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(first), len) }
    }
}

impl Team {
    /// A team of `threads`, at least 1; one thread is the caller alone.
    ///
    /// # Panics
    /// When the system has no more threads to give.
    pub fn new(threads: usize) -> Team {
        let crew = (threads > 1).then(|| {
            let board = Arc::new(Board {
                ticket: AtomicU64::new(0),
                done: AtomicUsize::new(0),
                work: AtomicPtr::new(std::ptr::null_mut()),
                panic: Mutex::new(None),
                sleepers: AtomicUsize::new(0),
                dismissed: Mutex::new(false),
                bell: Condvar::new(),
            });
            // A thread allocates while it starts: when the team is there, that is over.
            let here = Arc::new(Barrier::new(threads));
            let hire = |thread| {
                let (board, here) = (Arc::clone(&board), Arc::clone(&here));
                std::thread::Builder::new()
                    .name(format!("senti-engine-{thread}"))
                    .spawn(move || {
                        here.wait();
                        board.serve();
                    })
                    .unwrap_or_else(|error| {
                        panic!("{threads} threads could not be started: {error}")
                    })
            };
            let threads = (1..threads).map(hire).collect();
            here.wait();
            Crew {
                threads,
                board,
                captain: Mutex::new(()),
            }
        });
        Team { crew }
    }

    /// `work` on 0 … items - 1, each once, by whoever is free.
    fn run(&self, items: usize, work: &Work<'_>) {
        match &self.crew {
            Some(crew) if items > 1 => match crew.captain.try_lock() {
                Ok(_captain) => return crew.run(items, work),
                // A panic went through an earlier job, which left nothing behind.
                Err(std::sync::TryLockError::Poisoned(_)) => return crew.run(items, work),
                Err(std::sync::TryLockError::WouldBlock) => {}
            },
            _ => {}
        }
        (0..items).for_each(work);
    }

    /// `work` on each item.
    pub fn each<T: Send>(&self, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        let all = Shared(items.as_mut_ptr());
        self.run(items.len(), &|index| {
            // SAFETY: below `items.len()`, and each index comes once.
            work(index, unsafe { &mut all.part(index, 1)[0] });
        });
    }

    /// `rounds` times `work` on each item. The rounds of an item follow each other; different items do not wait for each other: this
    /// is how several networks are trained at once.
    pub fn rounds<T: Send>(
        &self,
        rounds: usize,
        items: &mut [T],
        work: impl Fn(usize, usize, &mut T) + Sync,
    ) {
        let n_items = items.len();
        // The next round of each item.
        let items: Vec<Mutex<(usize, &mut T)>> =
            items.iter_mut().map(|item| Mutex::new((0, item))).collect();
        self.run(rounds * n_items, &|piece| {
            let (round, index) = (piece / n_items, piece % n_items);
            // A poisoned item: its work panicked, which the caller will hear of.
            while let Ok(mut item) = items[index].lock() {
                let (next, item) = &mut *item;
                if *next == round {
                    work(round, index, item);
                    *next += 1;
                    return;
                }
                // Pieces are taken in order, so the round before is in somebody's hands.
                std::thread::yield_now();
            }
        });
    }

    /// `work` on each chunk of `len` floats.
    pub(crate) fn each_chunk(
        &self,
        values: &mut [f32],
        len: usize,
        work: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        let (all, total) = (Shared(values.as_mut_ptr()), values.len());
        self.run(total.div_ceil(len), &|index| {
            let first = index * len;
            // SAFETY: inside `values`, and each index comes once.
            work(index, unsafe { all.part(first, len.min(total - first)) });
        });
    }

    /// `work` on each chunk of `len` floats of three slices of the same length.
    pub(crate) fn each_chunk_of_three(
        &self,
        slices: [&mut [f32]; 3],
        len: usize,
        work: impl Fn(usize, [&mut [f32]; 3]) + Sync,
    ) {
        let total = slices[0].len();
        assert!(
            slices.iter().all(|slice| slice.len() == total),
            "slices of the same length"
        );
        let all = slices.map(|slice| Shared(slice.as_mut_ptr()));
        self.run(total.div_ceil(len), &|index| {
            let first = index * len;
            let part = |which: usize| {
                // SAFETY: inside each slice, and each index comes once.
                unsafe { all[which].part(first, len.min(total - first)) }
            };
            work(index, [part(0), part(1), part(2)]);
        });
    }
}
