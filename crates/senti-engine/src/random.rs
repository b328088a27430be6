//! Random numbers that are a pure function of (seed, purpose, index).
//!
//! What comes in: a seed, what the numbers are for, and a position. What goes out: a small generator for that position.
//! Nothing here has a hidden state that one use could advance for another: adding a purpose, a layer or an epoch never
//! moves any other number. Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).

/// What a stream of random numbers is used for. The numbers are part of the file formats: never renumber, only append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// First values of the weights.
    Initialisation = 0,
    /// Order of the rows within an epoch.
    Shuffling = 1,
    /// Which activations are dropped.
    Dropout = 2,
    /// Seeds of the members of an ensemble.
    Ensemble = 3,
    /// Resampling of rows.
    Bootstrap = 4,
    /// Choice of settings while tuning.
    Search = 5,
}

/// One key and 128 bits of counter in, 128 random bits out.
#[inline(always)]
pub fn philox4x32_10(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let ([mut k0, mut k1], mut c) = (key, counter);
    for _ in 0..10 {
        let a = u64::from(c[0]) * 0xD251_1F53;
        let b = u64::from(c[2]) * 0xCD9E_8D57;
        c = [
            (b >> 32) as u32 ^ c[1] ^ k0,
            b as u32,
            (a >> 32) as u32 ^ c[3] ^ k1,
            a as u32,
        ];
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    c
}

/// Sixteen blocks of a stream from block `first` on, word by word; the loops compile to vector instructions.
#[inline(always)]
pub(crate) fn philox4x32_10_wide(stream: &Stream, index: u64, first: u32) -> [[u32; 16]; 4] {
    let [mut k0, mut k1] = stream.key;
    let mut c = [
        [0; 16],
        [stream.word; 16],
        [index as u32; 16],
        [(index >> 32) as u32; 16],
    ];
    for (lane, word) in c[0].iter_mut().enumerate() {
        *word = first.wrapping_add(lane as u32);
    }
    for _ in 0..10 {
        let before = c;
        for lane in 0..16 {
            let a = u64::from(before[0][lane]) * 0xD251_1F53;
            let b = u64::from(before[2][lane]) * 0xCD9E_8D57;
            c[0][lane] = (b >> 32) as u32 ^ before[1][lane] ^ k0;
            c[1][lane] = b as u32;
            c[2][lane] = (a >> 32) as u32 ^ before[3][lane] ^ k1;
            c[3][lane] = a as u32;
        }
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    c
}

/// All the random numbers of one seed and one purpose.
///
/// ```
/// use senti_engine::random::{Purpose, Stream};
/// let stream = Stream::new(7, Purpose::Shuffling);
/// let mut order = [0; 5];
/// stream.permutation(3, &mut order); // the order of epoch 3, whatever was drawn before
/// order.sort();
/// assert_eq!(order, [0, 1, 2, 3, 4]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream {
    key: [u32; 2],
    /// Purpose in the low, part in the high half.
    word: u32,
}

impl Stream {
    /// The stream of `seed` for `purpose`.
    pub fn new(seed: u64, purpose: Purpose) -> Stream {
        Stream {
            key: [seed as u32, (seed >> 32) as u32],
            word: purpose as u32,
        }
    }

    /// An independent stream within the purpose, for instance one for each layer.
    pub fn part(self, part: u16) -> Stream {
        Stream {
            word: (self.word & 0xFFFF) | u32::from(part) << 16,
            ..self
        }
    }

    /// The generator at a position, for instance an epoch or a tensor.
    pub fn at(&self, index: u64) -> Generator {
        Generator {
            stream: *self,
            index,
            block: 0,
            words: [0; 4],
            used: 4,
        }
    }

    /// Four random words: block `block` of position `index`. The generator of `at(index)` walks through these blocks.
    #[inline(always)]
    pub fn words(&self, index: u64, block: u32) -> [u32; 4] {
        philox4x32_10(
            self.key,
            [block, self.word, index as u32, (index >> 32) as u32],
        )
    }

    /// Fills `order` with 0, 1, 2 … in the random order number `index` (Fisher–Yates).
    pub fn permutation(&self, index: u64, order: &mut [u32]) {
        for (position, value) in order.iter_mut().enumerate() {
            *value = position as u32;
        }
        let mut generator = self.at(index);
        for last in (1..order.len()).rev() {
            order.swap(last, generator.below(last as u32 + 1) as usize);
        }
    }
}

/// A sequence of random numbers, cheap to make and to throw away.
#[derive(Clone, Debug)]
pub struct Generator {
    stream: Stream,
    index: u64,
    block: u32,
    words: [u32; 4],
    used: usize,
}

impl Generator {
    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.words = self.stream.words(self.index, self.block);
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | u64::from(self.next_u32()) << 32
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform among 0 … `bound` - 1, without bias (Lemire 2019).
    pub fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "a random number below 0 was asked for");
        let reject_below = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(bound);
            if product as u32 >= reject_below {
                return (product >> 32) as u32;
            }
        }
    }

    /// Standard normal (Box–Muller; the second number of the pair is not kept).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
