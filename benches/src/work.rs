//! What is computed: a network, a number of windows, and how many operations an epoch is.

use senti_engine::{Architecture, Batch, Cell};

/// Windows of a batch, for everybody.
pub const BATCH: usize = 32;

/// A network and its data.
pub struct Work {
    pub name: String,
    pub net: Architecture,
    pub windows: usize,
    /// Networks trained.
    pub seeds: usize,
}

impl Work {
    fn new(name: &str, units: [usize; 2], steps: usize, windows: usize) -> Work {
        let net = Architecture {
            steps,
            features: 16,
            cell: Cell::Lstm,
            bidirectional: true,
            units: units.to_vec(),
            dropout: 0.2,
            outputs: 30,
        };
        Work {
            name: name.to_owned(),
            net,
            windows,
            seeds: 1,
        }
    }

    /// Bidirectional LSTM 128, dropout 0.2, bidirectional LSTM 64, dropout 0.2, dense 30; 2,400 windows of 30 × 16.
    pub fn reference() -> Work {
        Work::new("reference work", [128, 64], 30, 2400)
    }

    /// The same with other sizes.
    pub fn shapes() -> Vec<Work> {
        vec![
            Work::new("units 32/16", [32, 16], 30, 2400),
            Work::new("units 128/64", [128, 64], 30, 1280),
            Work::new("units 512/256", [512, 256], 30, 320),
            Work::new("sequences of 60", [128, 64], 60, 640),
            Work::new("sequences of 120", [128, 64], 120, 320),
        ]
    }

    /// Five small networks.
    pub fn small() -> Work {
        Work {
            seeds: 5,
            ..Work::new("five networks of units 32/16", [32, 16], 30, 2400)
        }
    }

    pub fn describe(&self) -> String {
        let Architecture {
            steps,
            features,
            units,
            ..
        } = &self.net;
        format!(
            "{}: bidirectional LSTM {units:?}, dropout 0.2, dense 30; {} windows of {steps} × {features}, batch {BATCH}, Adam, MSE",
            self.name, self.windows
        )
    }

    /// Floating-point operations of one epoch of one network: 2 for each weight, step and row, forward once, and backward twice but
    /// for the gradient of the data.
    pub fn operations(&self) -> f64 {
        let net = &self.net;
        let (mut sum, mut width) = (0, net.features);
        for (layer, &units) in net.units.iter().enumerate() {
            let (kernel, recurrent) = (2 * width * 4 * units, 2 * units * 4 * units);
            sum += net.steps * (kernel * if layer == 0 { 2 } else { 3 } + recurrent * 3);
            width = 2 * units;
        }
        2.0 * (sum + 3 * width * net.outputs) as f64 * self.windows as f64
    }

    /// The windows from `first` on, by the formula that the peers use, too.
    pub fn batch(&self, first: usize, len: usize) -> Batch {
        let mut batch = Batch::new(len, self.net.steps, self.net.features, self.net.outputs);
        for index in 0..len {
            let row = first + index;
            for step in 0..self.net.steps {
                let values = batch.input_mut(step, index).iter_mut().enumerate();
                for (feature, value) in values {
                    *value = ((row * 31 + step * 17 + feature * 7) as f64 * 0.37).sin() as f32;
                }
            }
            batch
                .target_mut(index)
                .fill((row as f64 * 0.3).cos() as f32);
        }
        batch
    }
}
