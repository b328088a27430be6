//! Words of finance and crypto, and what they mean to a rule-based scorer.
//!
//! VADER (Hutto and Gilbert 2014) knows everyday words: to it a price that plunges says nothing, `security` is comforting and `block`
//! hostile. Each row here gives phrases a [`Tone`]; the scorer puts a word of VADER's that has this tone in their place before VADER reads
//! the sentence, so that negation, degree, capitals, exclamation marks and `but` apply to them as to any other word. A text without any
//! of these phrases has exactly VADER's score.
//!
//! The words were chosen by their meaning, looking at the texts to the end of 2023 of a labelled set of Bitcoin news
//! (`benches/peers/sentiment.py`); the texts of 2024 were kept for judging. No weight was fitted.

/// What a phrase is taken as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Very good for the price or its holders: `great` (3.1 on VADER's scale from -4 to 4).
    Great,
    /// Good: `good` (1.9).
    Good,
    /// Slightly good: `fine` (0.8).
    Fine,
    /// Says nothing of the market, though VADER thinks it does.
    Nothing,
    /// Slightly bad: `uncertain` (-1.2).
    Uncertain,
    /// Bad: `weak` (-1.9).
    Weak,
    /// Very bad: `disaster` (-3.1).
    Disaster,
}

impl Tone {
    /// The word of VADER's that stands for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Great => "great",
            Self::Good => "good",
            Self::Fine => "fine",
            Self::Nothing => "thing",
            Self::Uncertain => "uncertain",
            Self::Weak => "weak",
            Self::Disaster => "disaster",
        }
    }
}

/// Phrases of one tone, in small letters, separated by commas. Between the words of a phrase there may be a space, a hyphen or any other
/// sign in a text; of several that fit the longest counts.
pub struct Row {
    /// What these phrases have in common.
    pub about: &'static str,
    /// What they are taken as.
    pub tone: Tone,
    /// The phrases.
    pub phrases: &'static str,
}

macro_rules! lexicon {
    ($($tone:ident $about:literal $phrases:literal;)*) => {
        &[$(Row { about: $about, tone: Tone::$tone, phrases: $phrases }),*]
    };
}

/// Every row.
#[rustfmt::skip]
pub const LEXICON: &[Row] = lexicon! {
    Great "prices that rise fast" "surge, surges, surged, surging, soar, soars, soared, soaring, skyrocket, skyrockets, skyrocketed, skyrocketing, to the moon, mooning, parabolic, explode higher, exploded higher, price explosion, all time high, all time highs, record high, record highs, new high, new highs, ath, short squeeze, melt up, outperform, outperforms, outperformed, outperforming";
    Good "prices that rise" "rise, rises, rose, risen, rising, rally, rallies, rallied, rallying, climb, climbs, climbed, climbing, jump, jumps, jumped, jumping, spike higher, spiked higher, rebound, rebounds, rebounded, rebounding, recover, recovers, recovered, recovering, recovery, bounce, bounces, bounced, bouncing, bounced back, bounce back, uptick, uptrend, upswing, upturn, upward, upwards, upside, appreciate, appreciated, appreciation, is up, are up, was up, up over, up by, up nearly, up almost, up more than, green, in the green, higher high, higher highs, higher low, higher lows, golden cross, breakout, breaks out, broke out, breaking out, break above, breaks above, broke above, breaking above, breaks resistance, broke resistance, flip resistance, flipped resistance, surpass, surpasses, surpassed, surpassing, double digit gains, higher, yearly high, yearly highs, multi month high, resurgence, revival, comeback, tailwind, tailwinds, expand, expands, expanded, expanding, expansion, growing, grew, grow, milestone";
    Good "holders and buyers" "bullish, bulls, bull run, bull market, bull flag, accumulate, accumulates, accumulated, accumulating, accumulation, hodl, hodling, hodler, hodlers, diamond hands, buy the dip, buying the dip, inflow, inflows, net inflow, net inflows, buying pressure, oversold, undervalued, halving rally, moon, 🚀, wagmi, lfg, based, gem, alpha, institutional adoption, mass adoption, adoption, adopts bitcoin, legal tender, etf approval, approves, approved, approval, greenlight, green light, green lights, institutional interest, institutional demand, long awaited, demand, dovish, rate cut, rate cuts, cooling inflation, soft landing, risk on, upgrade, upgrades, upgraded, partnership, partners with, integrates, supercycle, resilience, resilient, optimism, optimistic, resists, price strength, strong fundamentals, attract, attracts, attracting, renewed, victory, landmark";
    Fine "prices that hold" "above, back above, holding above, holds above, hold above, stays above, consolidate, consolidates, consolidating, consolidation, stabilize, stabilizes, stabilized, stabilizing, stable, steady, support holds, holds support, eyes, eyeing, eyed, launches, launch, launched, supports, partnership with, highs, boost, highest, institutional, institutions, unlock, unlocks, confirm, confirms, target, targets";
    Disaster "prices that fall fast" "plunge, plunges, plunged, plunging, plummet, plummets, plummeted, plummeting, crash, crashes, crashed, crashing, nosedive, nosedives, nosedived, freefall, free fall, meltdown, bloodbath, bloodbaths, flash crash, tank, tanks, tanked, tanking, capitulate, capitulates, capitulated, capitulation, death spiral, wiped out, wipes out, wipe out, collapse, collapses, collapsed, collapsing, crater, craters, cratered, implosion, implode, implodes, imploded, depeg, depegs, depegged, depegging, lost its peg, to zero, going to zero, worthless";
    Weak "prices that fall" "fall, falls, fell, fallen, falling, drop, drops, dropped, dropping, decline, declines, declined, declining, dip, dips, dipped, dipping, slide, slides, slid, sliding, slip, slips, slipped, slipping, sink, sinks, sank, sinking, slump, slumps, slumped, slumping, tumble, tumbles, tumbled, tumbling, decrease, decreases, decreased, decreasing, retreat, retreats, retreated, retreating, retrace, retraced, pullback, pull back, pulled back, pullbacks, correction, corrections, downtrend, downturn, downside, downward, downwards, down, in the red, sell off, selloff, sell offs, selling off, sold off, selling pressure, lower low, lower lows, lower high, lower highs, lower, low, lows, lowest, yearly low, yearly lows, death cross, breakdown, breaks down, broke down, break below, breaks below, broke below, lost support, loses support, below, rejected, rejection, struggling, struggles, struggled, fails to, failed to, failing to, underperform, underperforms, underperformed, underperforming, overbought, overvalued, bubble, headwind, headwinds, lose ground, lost ground, losing ground, lack of, lacks, pressure, sluggish, weigh on, weighs on, weighed on, weighing on, stumble, stumbles, stumbled, shed, sheds";
    Weak "holders and sellers" "bearish, bears, bear market, bear markets, bear flag, bear trap, fud, rekt, paper hands, dump, dumps, dumped, dumping, bagholder, bagholders, bag holder, ngmi, jeet, outflow, outflows, net outflow, net outflows, withdrawals, liquidated, liquidation, liquidations, liquidates, margin call, margin calls, miner capitulation, hawkish, rate hike, rate hikes, rate increase, hot inflation, tightening, hard landing, recession, stagflation, risk off, downgrade, downgrades, downgraded, delist, delists, delisted, delisting, delay, delays, delayed, crackdown, crackdowns, cracks down, ban, bans, banned, banning, lawsuit, lawsuits, sues, sued, suing, charged with, charges against, indicted, indictment, subpoena, wells notice, probe, probes, investigation, investigations, fined, fine of, fines, layoffs, lays off, lay off, laid off, cuts jobs, job cuts, warn, warns, warned, warning, warnings, concern, concerns, fears, fearful, troubled, embattled, halts, halted, pauses withdrawals, suspended, suspends, challenges, challenging, difficult, faces, facing, impossible, negatively, victims, outage, congestion, discount";
    Disaster "what is lost for good" "hack, hacks, hacked, hacker, hackers, exploit, exploits, exploited, rug pull, rug pulls, rugged, rugpull, ponzi, ponzi scheme, pyramid scheme, scam, scams, scammer, scammers, fraud, fraudulent, insolvent, insolvency, bankrupt, bankruptcy, bankruptcies, chapter 11, default, defaults, defaulted, contagion, stolen, drained, money laundering, embezzled, embezzlement, halts withdrawals, halted withdrawals, freezes withdrawals, suspended withdrawals, suspends withdrawals, bank run, exit scam";
    Uncertain "nobody knows" "volatility, volatile, choppy, sideways, uncertainty, uncertain, indecision, range bound, short, shorts, unlikely, speculation, speculative, whipsaw, caution, cautious, cautiously, correct lower, resistance, risk, risks, risky, sell, sells, selling, impact, scrutiny, rumor, rumors, rumour, rumours, slight, slightly, limited, questions, bear";
    Nothing "names, and words of the trade" "fear and greed index, fear & greed index, crypto fear and greed index, federal reserve, securities and exchange commission, security token, security tokens, security, securities, asset, assets, risk assets, risk asset, stablecoin, stablecoins, share, shares, shared, trust, grayscale bitcoin trust, interest rate, interest rates, open interest, treasury, treasuries, treasury yields, value, total value locked, market value, block, blocks, block reward, block rewards, blockchain, play, plays, like, likes, gas, gas fee, gas fees, stake, stakes, staked, staking, proof of stake, proof of work, worth, active, active addresses, difficulty, mining difficulty, difficulty adjustment, natural, fresh, certain, legal, created, want, matter, prominent, intelligence, artificial intelligence, relief, justice, department of justice, freedom, energy, vision, dominance, bitcoin dominance, smart contract, smart contracts, smart, well known, dedicated, clear, united states, united, commission, super, capital, lowest fees, lower fees, low fees, low cost, cut costs, reduce costs, below the surface, low hanging, fund, funds, etf, battle, cash, play to earn, war, defense, defence, profitability, argument, arguments, join, joins, joined, party, huge, prize, ability, friendly, strong hands, meme, top, number, popular, heavily, fall of, last fall, this fall";
};
