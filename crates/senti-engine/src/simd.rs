//! Which instruction set the kernels use: looked up once, or forced by the caller.

/// An instruction set that the kernels are compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Simd {
    /// AVX-512 F: 16 lanes, 32 registers.
    Avx512,
    /// AVX2 and FMA: 8 lanes, 16 registers.
    Avx2,
    /// Arm NEON: 4 lanes, 32 registers.
    Neon,
    /// Whatever every machine of the target has.
    Plain,
}

impl Simd {
    /// Every instruction set, the widest first.
    pub const ALL: [Simd; 4] = [Simd::Avx512, Simd::Avx2, Simd::Neon, Simd::Plain];

    /// The widest one that this machine has.
    pub fn detect() -> Simd {
        Simd::ALL
            .into_iter()
            .find(Simd::is_supported)
            .unwrap_or(Simd::Plain)
    }

    /// The one with this name, supported here or not.
    pub fn parse(name: &str) -> Option<Simd> {
        Simd::ALL.into_iter().find(|simd| simd.name() == name)
    }

    /// `avx512`, `avx2`, `neon` or `plain`.
    pub fn name(&self) -> &'static str {
        match self {
            Simd::Avx512 => "avx512",
            Simd::Avx2 => "avx2",
            Simd::Neon => "neon",
            Simd::Plain => "plain",
        }
    }

    /// Whether this machine can run it.
    pub fn is_supported(&self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => std::is_x86_feature_detected!("avx512f") && Simd::Avx2.is_supported(),
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => {
                std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma")
            }
            Simd::Neon => cfg!(target_arch = "aarch64"),
            Simd::Plain => true,
            #[cfg(not(target_arch = "x86_64"))]
            Simd::Avx512 | Simd::Avx2 => false,
        }
    }
}
