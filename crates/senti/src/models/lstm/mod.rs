//! The bidirectional LSTM: gathers batches from windows, drives the engine epoch by epoch, and turns its answers into prices.
//!
//! The head gives every quantile of every step and cannot cross. Its output layer starts with zero weights and the bias of the
//! empirical distribution of past moves in units of what volatility lets expect, so the untrained network already is that distribution;
//! it counts as epoch 0 of early stopping, and training can only earn skill over it. How much of what was earned is believed is then
//! learned on the calibration part ([`earned`]), and the distribution that it starts from is learned again from every known move.

mod course;
mod earned;
pub(super) mod memory;

use senti_engine::random::{Purpose, Stream};
use senti_engine::schedule::Verdict;
use senti_engine::{
    Adam, Architecture, Batch, Cell, Engine, Network, Options, Pinball, TensorError,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::course::Course;
use self::earned::Base;
use super::target::{SAMPLE, Target, empirical, spread, symmetrise};
use super::{Fitted, Job, Learned, Opened, Start, read_record};
use crate::artifact::{Manifest, Tensor, Values};
use crate::doors::Machine;
use crate::forecast::Predictions;
use crate::observe::{EpochRecord, Event, Next, Observer, interrupted as stopped};
use crate::plan::{self, LEVELS, Loss, Plan};
use crate::prepare::Preparation;
use crate::volatility::Spreads;
use crate::windows::{Labelled, Window, Windows};
use crate::{Error, ErrorKind, Result};

/// Rows the engine forecasts at once; more would only need more memory.
const ROWS: usize = 32;

/// The median learns this much slower than the widths: direction is nearly unpredictable, spread is not, and a network that is
/// free to bet on direction overfits it first. Tried by hand were 1, 0.1, 0.03 and 0.01, on Bitcoin before 2019-06 and before 2022
/// and the NASDAQ before 2023-07, one seed each; a backtest has yet to judge it.
const LOCATION_RATE: f32 = 0.03;

/// Share by which the distribution of past moves is drawn towards its own mirror image.
const SYMMETRY: f64 = 0.25;

struct Lstm {
    /// Through the seam: whatever computes.
    network: Box<dyn Engine>,
    loss: senti_engine::Loss,
    target: Target,
    /// Quantiles of the encoded validation residuals (H, Q), for the point losses; empty for pinball.
    residuals: Vec<f64>,
    /// What forecasts start from, for quantiles of returns.
    base: Option<Base>,
    batch: Batch,
    units: Vec<f64>,
    lately: Vec<f64>,
    raw: Vec<f32>,
    narrow: Vec<f32>,
    encoded: Vec<f64>,
}

/// What the artifact keeps beside the weights.
#[derive(Serialize, Deserialize)]
struct Record {
    target: Target,
    features: usize,
    residuals: Vec<f64>,
    base: Option<Base>,
}

impl Lstm {
    /// With these weights, or with fresh ones.
    fn new(
        plan: &Plan,
        machine: Machine,
        features: usize,
        target: Target,
        weights: Option<&[senti_engine::Tensor]>,
    ) -> Result<Self, TensorError> {
        let horizon = plan.forecast_horizon;
        let loss = loss(plan);
        let architecture = architecture(plan, features, &loss);
        let outputs = architecture.outputs;
        let max_batch = plan.batch_size.max(ROWS);
        let options = Options {
            seed: plan.seed,
            threads: machine.threads,
            simd: machine.simd,
            max_batch,
        };
        let network = match weights {
            Some(weights) => Network::with_weights(architecture, options, weights)?,
            None => Network::new(architecture, options),
        };
        let network = Box::new(network);
        Ok(Self {
            network,
            loss,
            target,
            residuals: Vec::new(),
            base: None,
            units: vec![0.0; horizon],
            lately: vec![1.0; horizon],
            batch: Batch::new(max_batch, plan.input_seq_length, features, horizon),
            raw: vec![0.0; max_batch * outputs],
            narrow: vec![0.0; max_batch * outputs],
            encoded: vec![0.0; max_batch * outputs],
        })
    }

    /// Where training starts: the empirical distribution, or (point losses on returns) no move at all. Prices with a point loss
    /// keep Keras's initialisation: the original's recipe. A network that is resumed or was given has its output layer already.
    fn start(&mut self, plan: &Plan, train: &Windows<'_>, has_output_layer: bool) {
        let raw = match (&self.loss, plan.target) {
            (senti_engine::Loss::Pinball(head), target) => {
                let mut start = empirical(self.target.encoded(train), &LEVELS);
                if target == plan::Target::LogReturn {
                    symmetrise(&mut start, LEVELS.len(), SYMMETRY);
                    self.base = Some(Base::new(start.clone()));
                }
                head.raw_for(&start)
            }
            (_, plan::Target::LogReturn) => vec![0.0; train.horizon()],
            (_, plan::Target::Price) => return,
        };
        if !has_output_layer {
            self.network.set_output_layer(&raw);
        }
    }

    /// Takes weights of an earlier training, where they are of these shapes; the output layer starts anew with what it should be.
    fn warm(&mut self, weights: &[Tensor]) {
        let narrowed: Option<Vec<_>> = weights.iter().map(|tensor| narrow(tensor).ok()).collect();
        // other shapes are another network: its weights say nothing here
        if let Some(weights) = narrowed.filter(|weights| !weights.is_empty()) {
            let _ = self.network.set_weights(&weights);
        }
    }

    /// Copies the past of windows into the batch, prepared: (T, B, F).
    fn gather<'w>(
        &mut self,
        windows: impl ExactSizeIterator<Item = Window<'w>>,
        preparation: &Preparation,
    ) {
        self.batch.resize(windows.len());
        for (row, window) in windows.enumerate() {
            for (step, features) in window.past().enumerate() {
                preparation.apply(features, self.batch.input_mut(step, row));
            }
        }
    }

    /// The same with the futures, encoded: (B, H).
    fn gather_labelled<'w>(
        &mut self,
        windows: impl ExactSizeIterator<Item = Labelled<'w>> + Clone,
        preparation: &Preparation,
        spreads: Option<&Spreads<'_>>,
    ) {
        self.gather(
            windows.clone().map(|labelled| labelled.window()),
            preparation,
        );
        for (row, labelled) in windows.enumerate() {
            let window = labelled.window();
            match (spreads, self.target.volatility()) {
                (Some(spreads), Some(volatility)) => {
                    volatility.spread_at(spreads, &window, &mut self.units);
                }
                _ => self.target.units(&window, &mut self.units),
            }
            let (last_close, slots) = (window.last_close(), self.batch.target_mut(row));
            for (step, (slot, &close)) in slots.iter_mut().zip(labelled.future()).enumerate() {
                *slot = self
                    .target
                    .encode(step, self.units[step], last_close, close)
                    as f32;
            }
        }
    }

    /// What the network says of the gathered windows: `raw`, and for pinball the quantiles in `encoded`: (n, H, Q).
    fn quantiles(&mut self, windows: usize) {
        let n = windows * self.network.architecture().outputs;
        let raw = &mut self.raw[..n];
        self.network.predict(&self.batch, raw);
        if let senti_engine::Loss::Pinball(head) = &self.loss {
            head.quantiles(raw, &mut self.narrow[..n]);
            for (wide, narrow) in self.encoded.iter_mut().zip(&self.narrow[..n]) {
                *wide = f64::from(*narrow);
            }
        }
    }

    /// Mean loss on all windows, without dropout.
    fn evaluate(
        &mut self,
        windows: &Windows<'_>,
        preparation: &Preparation,
        spreads: Option<&Spreads<'_>>,
    ) -> f64 {
        let mut sum = 0.0;
        for start in (0..windows.len()).step_by(ROWS) {
            let end = (start + ROWS).min(windows.len());
            self.gather_labelled(
                (start..end).map(|position| windows.get(position)),
                preparation,
                spreads,
            );
            sum += self.network.evaluate_batch(&self.batch, &self.loss) * (end - start) as f64;
        }
        sum / windows.len() as f64
    }

    /// Quantiles of what the trained point forecast leaves over on validation windows.
    fn learn_residuals(&mut self, valid: &Windows<'_>, preparation: &Preparation) {
        let horizon = valid.horizon();
        let mut residuals = vec![Vec::new(); horizon];
        let positions: Vec<usize> = (0..valid.len())
            .step_by(valid.len().div_ceil(SAMPLE).max(1))
            .collect();
        for chunk in positions.chunks(ROWS) {
            self.gather_labelled(
                chunk.iter().map(|&position| valid.get(position)),
                preparation,
                None,
            );
            self.network
                .predict(&self.batch, &mut self.raw[..chunk.len() * horizon]);
            for row in 0..chunk.len() {
                for (step, &actual) in self.batch.target(row).iter().enumerate() {
                    residuals[step]
                        .push(f64::from(actual) - f64::from(self.raw[row * horizon + step]));
                }
            }
        }
        self.residuals = spread(residuals, &LEVELS);
    }
}

fn loss(plan: &Plan) -> senti_engine::Loss {
    match plan.loss {
        Loss::Pinball => senti_engine::Loss::Pinball(
            Pinball::new(&LEVELS.map(|level| level as f32)).with_location_rate(LOCATION_RATE),
        ),
        Loss::Mse => senti_engine::Loss::Mse,
        Loss::Mae => senti_engine::Loss::Mae,
        Loss::Huber => senti_engine::Loss::Huber { delta: 1.0 },
    }
}

fn architecture(plan: &Plan, features: usize, loss: &senti_engine::Loss) -> Architecture {
    Architecture {
        steps: plan.input_seq_length,
        features,
        cell: Cell::Lstm,
        bidirectional: true,
        units: plan.units.clone(),
        dropout: plan.dropout as f32,
        outputs: plan.forecast_horizon * loss.outputs_per_target(),
    }
}

pub(super) fn fit(job: &Job<'_>, observe: &mut Observer<'_>) -> Result<Learned> {
    let plan = job.plan;
    let target = Target::learn(plan.target, &job.train);
    let given = match job.start {
        Start::Given(tensors) => Some(tensors.iter().map(narrow).collect::<Result<Vec<_>>>()?),
        Start::Fresh | Start::Warm(_) => None,
    };
    let features = job.train.n_features();
    let made = Lstm::new(plan, job.machine, features, target, given.as_deref());
    let mut model = made.map_err(|cause| match given {
        Some(_) => Error::data("the given weights do not fit the plan").because(cause),
        None => unfit(cause),
    })?;
    if let (Start::Warm(tensors), None) = (job.start, job.resume) {
        model.warm(tensors);
    }
    model.start(plan, &job.train, job.resume.is_some() || given.is_some());
    let spreads = model.target.volatility();
    // whichever part reaches further has the candles of both
    let further = match job.train.origins().last() > job.valid.origins().last() {
        true => &job.train,
        false => &job.valid,
    };
    let spreads = spreads.map(|volatility| volatility.over(further));
    let spreads = spreads.as_ref();
    let mut course = match job.resume {
        Some(state) => Course::resume(state, model.network.as_mut())?,
        None => {
            let untrained_loss = finite(model.evaluate(&job.valid, job.preparation, spreads), 0)?;
            Course::new(plan, untrained_loss, model.network.as_ref())
        }
    };
    let valid_loss = course.untrained_loss;
    observe(Event::Untrained { valid_loss });

    let adam = Adam::default();
    let shuffling = Stream::new(plan.seed, Purpose::Shuffling);
    let mut order = vec![0_u32; job.train.len()];
    let batches = job.train.len().div_ceil(plan.batch_size);
    while !course.stopped && course.epoch <= plan.epochs {
        let epoch = course.epoch;
        shuffling.permutation(epoch as u64, &mut order);
        while course.batch < batches {
            let batch = course.batch;
            let positions =
                &order[batch * plan.batch_size..order.len().min((batch + 1) * plan.batch_size)];
            model.gather_labelled(
                positions
                    .iter()
                    .map(|&position| job.train.get(position as usize)),
                job.preparation,
                spreads,
            );
            let step = ((epoch - 1) * batches + batch) as u64;
            let loss = model.network.train_batch(&model.batch, &model.loss, step);
            let loss = loss.map_err(|cause| diverged(epoch, batch + 1).because(cause))?;
            model.network.update(&adam, course.learning_rate);
            course.loss_sum += loss * positions.len() as f64;
            course.batch += 1;
            let done = (batch * plan.batch_size + positions.len()) as f64;
            let loss = course.loss_sum / done;
            let state = || course.state(job, model.network.as_ref());
            let news = Event::Batch {
                epoch,
                batch: batch + 1,
                batches,
                windows: order.len(),
                loss,
                state: &state,
            };
            if observe(news) == Next::Stop {
                return interrupt(job, &course, model.network.as_ref(), observe);
            }
        }
        let valid_loss = finite(model.evaluate(&job.valid, job.preparation, spreads), epoch)?;
        let verdict = course.stopping.observe(valid_loss);
        if verdict == Verdict::Best {
            course.best = model.network.weights();
        }
        let record = EpochRecord {
            epoch,
            train_loss: course.loss_sum / order.len() as f64,
            valid_loss,
            learning_rate: decimal(course.learning_rate),
        };
        course.history.push(record);
        course.learning_rate = course.plateau.observe(valid_loss, course.learning_rate);
        course.stopped = verdict == Verdict::Stop;
        (course.epoch, course.batch, course.loss_sum) = (epoch + 1, 0, 0.0);
        let state = || course.state(job, model.network.as_ref());
        let best = verdict == Verdict::Best;
        if observe(Event::Epoch {
            record,
            best,
            epochs: plan.epochs,
            last: course.stopped || course.epoch > plan.epochs,
            state: &state,
        }) == Next::Stop
        {
            return interrupt(job, &course, model.network.as_ref(), observe);
        }
    }

    model.network.set_weights(&course.best).map_err(unfit)?;
    if !matches!(model.loss, senti_engine::Loss::Pinball(_)) {
        model.learn_residuals(&job.valid, job.preparation);
    }
    let best_epoch = course.best_epoch();
    Ok(Learned {
        fitted: Box::new(model),
        history: course.history,
        best_epoch,
        untrained_loss: Some(valid_loss),
    })
}

/// The number that a single precision rate stands for, to six digits: 0.0002, not 0.00020000000949949026.
fn decimal(single: f32) -> f64 {
    let text = format!("{single:.5e}");
    text.parse().unwrap_or(f64::from(single))
}

fn interrupt(
    job: &Job<'_>,
    course: &Course,
    network: &dyn Engine,
    observe: &mut Observer<'_>,
) -> Result<Learned> {
    let state = || course.state(job, network);
    observe(Event::Interrupted { state: &state });
    Err(Error::new(
        ErrorKind::Interrupted,
        format!(
            "stopped in epoch {} after batch {}",
            course.epoch, course.batch
        ),
    ))
}

fn unfit(cause: TensorError) -> Error {
    Error::data("the artifact's weights do not fit its plan").because(cause)
}

fn diverged(epoch: usize, batch: usize) -> Error {
    Error::data(format!("training diverged in epoch {epoch}, batch {batch}"))
        .hint("lower `--learning_rate`, or look for absurd values in the data")
}

fn finite(valid_loss: f64, epoch: usize) -> Result<f64> {
    if valid_loss.is_finite() {
        return Ok(valid_loss);
    }
    Err(Error::data(format!(
        "the validation loss is {valid_loss} after epoch {epoch}"
    ))
    .hint("lower `--learning_rate`, or look for absurd values in the data"))
}

/// The network of an artifact as it is, for explanations: on the processor, whatever trained it.
pub(super) fn open(manifest: &Manifest, tensors: &[Tensor], machine: Machine) -> Result<Opened> {
    let record: Record = read_record(manifest, "lstm")?;
    let plan = &manifest.plan;
    if !record.target.fits(plan.forecast_horizon) || record.features != manifest.features.len() {
        return Err(Error::data("the artifact's lstm does not fit its plan"));
    }
    let loss = loss(plan);
    let options = Options {
        seed: plan.seed,
        threads: machine.threads,
        simd: machine.simd,
        max_batch: ROWS,
    };
    let weights = tensors.iter().map(narrow).collect::<Result<Vec<_>>>()?;
    let architecture = architecture(plan, record.features, &loss);
    let network = Network::with_weights(architecture, options, &weights).map_err(unfit)?;
    Ok(Opened {
        network,
        head: match loss {
            senti_engine::Loss::Pinball(head) => Some(head),
            _ => None,
        },
        // what is not believed reaches no forecast
        scale: match &record.base {
            Some(base) => {
                let units = record.target.constant_units().into_iter();
                units
                    .zip(&base.shares)
                    .map(|(unit, share)| unit * share)
                    .collect()
            }
            None => record.target.constant_units(),
        },
        unit: match (plan.target, record.target.volatility()) {
            (plan::Target::LogReturn, Some(_)) => "expected moves",
            (plan::Target::LogReturn, None) => "log return",
            (plan::Target::Price, _) => "price",
        },
    })
}

/// What a network computes a forecast with.
pub struct LstmParts {
    /// Turns encoded values into prices.
    pub target: Target,
    /// The weights by Keras's names and in its layout.
    pub weights: Vec<senti_engine::Tensor>,
    /// Units of each bidirectional layer.
    pub units: Vec<usize>,
    /// How the outputs of the dense layer become encoded quantiles.
    pub head: Head,
}

/// How the outputs of the dense layer become encoded quantiles.
pub enum Head {
    /// An output for each step and level: [`senti_engine::Pinball`].
    Quantiles {
        /// What the middle output is multiplied with to be the median.
        location_rate: f64,
        /// What forecasts start from, where it was learned: start (H, Q), now (H, Q) and shares (H). A quantile is
        /// `now + share · (quantile − start)`, and those of a step are sorted.
        base: Option<[Vec<f64>; 3]>,
        /// Are units multiplied with [`crate::volatility::Volatility::lately`]?
        lately: bool,
    },
    /// An output for each step: the point. What is added to it for each quantile: (H, Q).
    Point(Vec<f64>),
}

pub(super) fn take_apart(manifest: &Manifest, tensors: &[Tensor]) -> Result<LstmParts> {
    let machine = Machine {
        threads: 1,
        simd: senti_engine::Simd::detect(),
    };
    let model = read(manifest, tensors, machine)?;
    let settled = model.base.filter(|base| base.settled);
    Ok(LstmParts {
        weights: model.network.weights(),
        units: manifest.plan.units.clone(),
        head: match &model.loss {
            senti_engine::Loss::Pinball(head) => Head::Quantiles {
                location_rate: f64::from(head.location_rate()),
                lately: settled.is_some() && model.target.volatility().is_some(),
                base: settled.map(Base::into_numbers),
            },
            _ => Head::Point(model.residuals),
        },
        target: model.target,
    })
}

pub(super) fn load(
    manifest: &Manifest,
    tensors: &[Tensor],
    machine: Machine,
) -> Result<Box<dyn Fitted>> {
    Ok(Box::new(read(manifest, tensors, machine)?))
}

fn read(manifest: &Manifest, tensors: &[Tensor], machine: Machine) -> Result<Lstm> {
    let record: Record = read_record(manifest, "lstm")?;
    let plan = &manifest.plan;
    if !record.target.fits(plan.forecast_horizon) || record.features != manifest.features.len() {
        return Err(Error::data("the artifact's lstm does not fit its plan"));
    }
    let wanted = match plan.loss {
        Loss::Pinball => 0,
        _ => plan.forecast_horizon * LEVELS.len(),
    };
    if record.residuals.len() != wanted {
        let found = record.residuals.len();
        return Err(Error::data(format!(
            "the artifact's record holds {found} residual quantiles, wanted {wanted}"
        )));
    }
    let weights = tensors.iter().map(narrow).collect::<Result<Vec<_>>>()?;
    let loaded = Lstm::new(
        plan,
        machine,
        record.features,
        record.target,
        Some(&weights),
    );
    let mut model = loaded.map_err(unfit)?;
    model.residuals = record.residuals;
    let based = plan.loss == Loss::Pinball && plan.target == plan::Target::LogReturn;
    if record.base.is_some() != based
        || record
            .base
            .as_ref()
            .is_some_and(|base| !base.fits(plan.forecast_horizon, LEVELS.len()))
    {
        return Err(Error::data(
            "the artifact's lstm has no distribution to start from that fits its plan",
        ));
    }
    model.base = record.base;
    Ok(model)
}

impl Fitted for Lstm {
    fn predict(
        &mut self,
        windows: &[Window<'_>],
        preparation: &Preparation,
        out: &mut Predictions,
    ) -> Result<()> {
        let (horizon, levels) = (out.horizon, out.n_levels);
        let outputs = self.network.architecture().outputs;
        for (chunk, windows) in windows.chunks(ROWS).enumerate() {
            self.gather(windows.iter().copied(), preparation);
            self.quantiles(windows.len());
            let raw = &self.raw[..windows.len() * outputs];
            for (row, window) in windows.iter().enumerate() {
                let last_close = window.last_close();
                self.target.units(window, &mut self.units);
                if let Some(base) = &self.base {
                    let encoded = &mut self.encoded[row * horizon * levels..][..horizon * levels];
                    base.blend(encoded);
                    if let (true, Some(volatility)) = (base.settled, self.target.volatility()) {
                        volatility.lately(window, &mut self.lately);
                        let factors = self.units.iter_mut().zip(&self.lately);
                        factors.for_each(|(unit, factor)| *unit *= factor);
                    }
                }
                for step in 0..horizon {
                    let cell = (chunk * ROWS + row) * horizon + step;
                    let unit = self.units[step];
                    let prices = &mut out.quantiles[cell * levels..][..levels];
                    let decode = |encoded: f64| self.target.decode(step, unit, last_close, encoded);
                    if self.residuals.is_empty() {
                        let encoded = &self.encoded[(row * horizon + step) * levels..][..levels];
                        prices
                            .iter_mut()
                            .zip(encoded)
                            .for_each(|(price, &encoded)| *price = decode(encoded));
                        out.point[cell] = prices[levels / 2];
                    } else {
                        let point = f64::from(raw[row * horizon + step]);
                        let residuals = &self.residuals[step * levels..][..levels];
                        prices
                            .iter_mut()
                            .zip(residuals)
                            .for_each(|(price, residual)| *price = decode(point + residual));
                        out.point[cell] = decode(point);
                    }
                }
            }
        }
        if out.point.iter().all(|price| price.is_finite()) {
            return Ok(());
        }
        Err(
            Error::data("the network forecasts a price that is not finite")
                .hint("train again with a lower `--learning_rate`"),
        )
    }

    fn settle(
        &mut self,
        held: &Windows<'_>,
        known: &Windows<'_>,
        preparation: &Preparation,
        observe: &mut Observer<'_>,
    ) -> Result<bool> {
        let Some(mut base) = self.base.take() else {
            return Ok(false);
        };
        let (what, of) = ("calibrating", held.len());
        if observe(Event::Working { what, done: 0, of }) == Next::Stop {
            return Err(stopped(what));
        }
        base.shares = self.earned(&base, held, preparation);
        let kind = plan::Target::LogReturn;
        self.target = Target::learn(kind, known);
        let mut now = empirical(self.target.encoded(known), &LEVELS);
        symmetrise(&mut now, LEVELS.len(), SYMMETRY);
        (base.now, base.settled) = (now, true);
        self.base = Some(base);
        Ok(true)
    }

    fn record(&self) -> Value {
        let features = self.network.architecture().features;
        let record = Record {
            target: self.target.clone(),
            features,
            residuals: self.residuals.clone(),
            base: self.base.clone(),
        };
        serde_json::to_value(record).unwrap_or(Value::Null)
    }

    fn tensors(&self) -> Vec<Tensor> {
        self.network.weights().into_iter().map(widen).collect()
    }
}

fn widen(tensor: senti_engine::Tensor) -> Tensor {
    Tensor {
        name: tensor.name,
        shape: tensor.shape,
        values: Values::F32(tensor.values),
    }
}

fn narrow(tensor: &Tensor) -> Result<senti_engine::Tensor> {
    match &tensor.values {
        Values::F32(values) => Ok(senti_engine::Tensor {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            values: values.clone(),
        }),
        Values::F64(_) => Err(Error::data(format!(
            "tensor `{}` is double precision, wanted single",
            tensor.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn learning_rates_are_written_as_people_write_them() {
        let rate = 1e-3_f32;
        assert_eq!(decimal(rate).to_string(), "0.001");
        assert_eq!(decimal(rate * 0.2).to_string(), "0.0002");
        assert_eq!(decimal(1e-4).to_string(), "0.0001");
    }
}
