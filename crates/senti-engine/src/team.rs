//! Threads: the same work over the items of a slice, one owner for each item.

use std::sync::Arc;

use rayon::ThreadPool;
use rayon::prelude::*;

/// A fixed number of threads. One thread means no pool at all.
pub(crate) struct Team {
    pool: Option<Arc<ThreadPool>>,
}

impl Team {
    /// # Panics
    /// When the system has no more threads to give.
    pub fn new(threads: usize) -> Team {
        let pool =
            (threads > 1).then(|| {
                let builder = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .thread_name(|thread| format!("senti-engine-{thread}"));
                Arc::new(builder.build().unwrap_or_else(|error| {
                    panic!("{threads} threads could not be started: {error}")
                }))
            });
        Team { pool }
    }

    /// A handle that does not borrow its owner.
    pub fn share(&self) -> Team {
        Team {
            pool: self.pool.clone(),
        }
    }

    /// Runs `work` inside the pool. Handing work in costs much more than sharing it out there, so this is done once for each batch.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// `work` on each item. Call it inside [`Team::enter`].
    pub fn each<T: Send>(&self, items: &mut [T], work: impl Fn(usize, &mut T) + Sync + Send) {
        match self.pool {
            Some(_) => items
                .par_iter_mut()
                .enumerate()
                .with_max_len(1)
                .for_each(|(index, item)| work(index, item)),
            None => items
                .iter_mut()
                .enumerate()
                .for_each(|(index, item)| work(index, item)),
        }
    }

    /// `work` on each chunk of `len` floats. Call it inside [`Team::enter`].
    pub fn each_chunk(
        &self,
        values: &mut [f32],
        len: usize,
        work: impl Fn(usize, &mut [f32]) + Sync + Send,
    ) {
        match self.pool {
            Some(_) => values
                .par_chunks_mut(len)
                .enumerate()
                .with_max_len(1)
                .for_each(|(index, chunk)| work(index, chunk)),
            None => values
                .chunks_mut(len)
                .enumerate()
                .for_each(|(index, chunk)| work(index, chunk)),
        }
    }

    /// `work` on each chunk of `len` floats of three slices of the same length. Call it inside [`Team::enter`].
    pub fn each_chunk_of_three(
        &self,
        [a, b, c]: [&mut [f32]; 3],
        len: usize,
        work: impl Fn(usize, [&mut [f32]; 3]) + Sync + Send,
    ) {
        match self.pool {
            Some(_) => {
                let chunks = a.par_chunks_mut(len).zip(b.par_chunks_mut(len));
                let chunks = chunks
                    .zip(c.par_chunks_mut(len))
                    .enumerate()
                    .with_max_len(1);
                chunks.for_each(|(index, ((a, b), c))| work(index, [a, b, c]));
            }
            None => {
                let chunks = a
                    .chunks_mut(len)
                    .zip(b.chunks_mut(len))
                    .zip(c.chunks_mut(len));
                chunks
                    .enumerate()
                    .for_each(|(index, ((a, b), c))| work(index, [a, b, c]));
            }
        }
    }
}
