//! `cargo xtask bench`: the engine beside the limit of the machine and beside its peers, in one run.
//!
//! In comes the machine; out goes a table. Everybody does the same work on the same numbers from the same weights, one after the other in
//! turns (A, B, A, B …), because machines drift by up to two times within minutes. It saves nothing.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod ours;
mod peers;
mod report;
mod walk;
mod work;

use std::process::ExitCode;

use senti_engine::Simd;

use crate::ours::{Ours, peak};
use crate::peers::Peer;
use crate::report::{Goal, Timings};
use crate::work::Work;

/// Peers and the interpreter's arguments that make them.
const PEERS: [(&str, &str, &str); 5] = [
    ("PyTorch", "torch_peer.py", ""),
    ("JAX", "jax_peer.py", ""),
    ("Keras-TF", "keras_peer.py", "tensorflow"),
    ("Keras-JAX", "keras_peer.py", "jax"),
    ("ONNX", "onnx_peer.py", ""),
];

fn main() -> ExitCode {
    let (mut parts, mut rounds) = (Vec::new(), 7);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "engine" | "shapes" | "small" | "walk" => parts.push(argument),
            "--rounds" => match arguments.next().and_then(|n| n.parse().ok()) {
                Some(n) if n > 0 => rounds = n,
                _ => return usage("`--rounds` wants a number from 1 on"),
            },
            other => return usage(&format!("`{other}` is no part of the benchmark")),
        }
    }
    let all = parts.is_empty();
    let wanted = |part: &str| all || parts.iter().any(|wanted| wanted == part);
    let python = peers::install();
    if let Err(reason) = &python {
        println!("no peers: {reason}");
    }
    let python = python.ok();
    let python = python.as_deref();
    if wanted("engine") {
        reference(python, rounds);
    }
    if wanted("shapes") {
        shapes(python, rounds.div_ceil(2));
    }
    if wanted("small") {
        small(python, rounds);
    }
    // minutes long, and of the product: only when it is asked for
    if parts.iter().any(|part| part == "walk")
        && let Err(reason) = walk::walk(python, rounds.div_ceil(2))
    {
        eprintln!("error: {reason}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn usage(sentence: &str) -> ExitCode {
    eprintln!(
        "error: {sentence}\nhint: cargo xtask bench [engine] [shapes] [small] [walk] [--rounds N]"
    );
    ExitCode::from(2)
}

/// Starts the peers named, says which are missing, and checks that they compute what we compute.
fn start(
    python: Option<&std::path::Path>,
    names: &[&str],
    work: &Work,
    ours: &mut Ours,
) -> Vec<Peer> {
    let mut peers = Vec::new();
    let Some(python) = python else { return peers };
    let wanted = ours.outputs(work);
    for (name, script, backend) in PEERS.into_iter().filter(|(name, ..)| names.contains(name)) {
        eprintln!("starting {name} …");
        let started = Peer::start(python, name, script, backend, work, &ours.weights());
        let checked = started.and_then(|mut peer| {
            let found = peer.outputs()?;
            let pairs = || found.iter().zip(&wanted);
            let largest = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // A thousand products and 30 steps in f32, by other orders of summation.
            match found.len() == wanted.len() && largest < 1e-4 {
                true => Ok((peer, largest)),
                false => Err(format!(
                    "its outputs differ by {largest:e}: not the same work"
                )),
            }
        });
        match checked {
            Ok((peer, largest)) => {
                println!("  {name} {}: outputs agree to {largest:.0e}", peer.setting);
                peers.push(peer);
            }
            Err(reason) => println!("  {name} is missing: {reason}"),
        }
    }
    peers
}

/// The reference work: epoch, one forecast and 512 windows.
fn reference(python: Option<&std::path::Path>, rounds: usize) {
    let work = Work::reference();
    println!("{}", work.describe());
    let best = Simd::detect();
    let mut two = Ours::new(&work, best, 2);
    let mut one = Ours::new(&work, best, 1);
    let has_avx2 = best == Simd::Avx512;
    let mut avx2 = has_avx2.then(|| Ours::new(&work, Simd::Avx2, 2));
    let mut peers = start(python, &PEERS.map(|(name, ..)| name), &work, &mut two);
    let mut times = Timings::default();
    two.epoch();
    one.epoch();
    for round in 0..rounds {
        eprintln!("round {} of {rounds} …", round + 1);
        times.add("peak", peak(best, 2));
        times.add("epoch ours", two.epoch());
        times.add("1 ours", two.predict(1));
        times.add("512 ours", two.predict(512));
        times.add("peak 1", peak(best, 1));
        times.add("epoch one thread", one.epoch());
        if let Some(avx2) = &mut avx2 {
            times.add("peak avx2", peak(Simd::Avx2, 2));
            times.add("epoch avx2", avx2.epoch());
        }
        for peer in &mut peers {
            let name = peer.name;
            if name != "ONNX" {
                times.add(&format!("epoch {name}"), peer.seconds("epoch"));
            }
            times.add(&format!("1 {name}"), peer.seconds("predict 1"));
            times.add(&format!("512 {name}"), peer.seconds("predict 512"));
        }
    }
    let flops = work.operations();
    println!("\nepoch, {:.1} GFLOP", flops / 1e9);
    times.rates(&["peak", "peak 1", "peak avx2"]);
    times.list("epoch", |seconds| format!("{seconds:8.3} s"));
    println!("\none forecast");
    times.list("1", |seconds| format!("{:8.0} µs", seconds * 1e6));
    println!("\n512 windows");
    times.list("512", |seconds| {
        format!("{:8.0} windows/s", 512.0 / seconds)
    });

    println!(
        "\n{:<48}{:>9}{:>9}{:>8}{:>8}",
        "measure", "median", "best", "must", "aim"
    );
    let name = best.name();
    times.share(
        &format!("{name}, of the peak of 2 threads"),
        "epoch ours",
        "peak",
        flops,
        Goal(0.70, 0.88),
    );
    times.share(
        &format!("{name}, of the peak of 1 thread"),
        "epoch one thread",
        "peak 1",
        flops,
        Goal(0.70, 0.88),
    );
    if has_avx2 {
        times.share(
            "avx2, of the AVX2 peak of 2 threads",
            "epoch avx2",
            "peak avx2",
            flops,
            Goal(0.65, 0.85),
        );
    }
    times.ratio(
        "second thread",
        "epoch one thread",
        "epoch ours",
        Goal(1.8, 1.95),
    );
    for (peer, goal) in [
        ("PyTorch", Goal(2.5, 3.5)),
        ("JAX", Goal(2.5, 3.5)),
        ("Keras-TF", Goal(5.0, 7.5)),
        ("Keras-JAX", Goal(5.0, 7.5)),
    ] {
        times.ratio(
            &format!("epoch against {peer}"),
            &format!("epoch {peer}"),
            "epoch ours",
            goal,
        );
    }
    times.ratio(
        "one forecast against PyTorch",
        "1 PyTorch",
        "1 ours",
        Goal(3.0, 5.0),
    );
    times.ratio(
        "one forecast against ONNX Runtime",
        "1 ONNX",
        "1 ours",
        Goal(1.5, 2.5),
    );
    times.ratio(
        "512 windows against ONNX Runtime",
        "512 ONNX",
        "512 ours",
        Goal(1.7, 2.1),
    );
    for peer in ["PyTorch", "JAX", "Keras-TF", "Keras-JAX"] {
        times.ratio(
            &format!("512 windows against {peer}"),
            &format!("512 {peer}"),
            "512 ours",
            Goal(1.7, 2.1),
        );
    }
}

/// Other sizes: ahead of every peer in each, cost growing no faster than the work.
fn shapes(python: Option<&std::path::Path>, rounds: usize) {
    println!("\nother shapes, epochs\n");
    let names = ["PyTorch", "JAX", "Keras-TF", "Keras-JAX"];
    let mut rates = Vec::new();
    for work in Work::shapes() {
        println!("{}", work.describe());
        let mut ours = Ours::new(&work, Simd::detect(), 2);
        let mut peers = start(python, &names, &work, &mut ours);
        let mut times = Timings::default();
        ours.epoch();
        for _ in 0..rounds {
            times.add("epoch ours", ours.epoch());
            for peer in &mut peers {
                times.add(&format!("epoch {}", peer.name), peer.seconds("epoch"));
            }
        }
        times.list("epoch", |seconds| format!("{seconds:8.3} s"));
        for peer in names {
            times.ratio(
                &format!("against {peer}"),
                &format!("epoch {peer}"),
                "epoch ours",
                Goal(1.0, 1.0),
            );
        }
        if let Some(seconds) = times.median("epoch ours") {
            rates.push((work.name.clone(), work.operations() / seconds / 1e9));
        }
        println!();
    }
    println!("GFLOP/s of ours, by shape (cost that grows no faster than the work keeps it level)");
    for (name, rate) in rates {
        println!("  {name:<40}{rate:8.0}");
    }
}

/// Five small networks at once, against PyTorch's one after the other.
fn small(python: Option<&std::path::Path>, rounds: usize) {
    let work = Work::small();
    println!("\n{}", work.describe());
    let mut crowd = ours::Crowd::new(&work, 2);
    let mut one = Ours::new(&work, Simd::detect(), 1);
    let mut peers = start(python, &["PyTorch"], &work, &mut one);
    let mut times = Timings::default();
    crowd.epoch();
    for _ in 0..rounds {
        times.add("epoch ours", crowd.epoch());
        for peer in &mut peers {
            times.add("epoch PyTorch", peer.seconds("epoch"));
        }
    }
    times.list("epoch", |seconds| format!("{seconds:8.3} s"));
    times.ratio(
        "five small networks against PyTorch's five",
        "epoch PyTorch",
        "epoch ours",
        Goal(8.0, 15.0),
    );
}
