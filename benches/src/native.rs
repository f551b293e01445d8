//! The two machines in plain Rust: what there is to win at most.

use std::collections::{BTreeMap, HashMap};

use rpds::RedBlackTreeMapSync;

use crate::engine::Machine;
use crate::workload::{ACCOUNTS, OPENING, Order};

/// An answer of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Done; a number that says how.
    Ok(i64),
    /// What an account holds.
    Bal(i64),
    /// The figures.
    Stats {
        /// Orders that were carried out.
        count: i64,
        /// Deposits less withdrawals.
        total: i64,
        /// Orders that were refused.
        rejected: i64,
    },
    /// Refused, and why.
    Rejected(i64),
}

impl Answer {
    /// Returns the answer as JSON of the machine's output type.
    pub fn to_json(&self) -> String {
        match self {
            Answer::Ok(number) => format!(r#"{{"Ok":{number}}}"#),
            Answer::Bal(balance) => format!(r#"{{"Bal":{balance}}}"#),
            Answer::Stats { count, total, rejected } => {
                format!(r#"{{"Stats":{{"count":{count},"total":{total},"rejected":{rejected}}}}}"#)
            }
            Answer::Rejected(why) => format!(r#"{{"Rejected":{why}}}"#),
        }
    }
}

/// A map of accounts.
pub trait Accounts: Clone + FromIterator<(i64, i64)> {
    /// Returns what an account holds.
    fn balance(&self, account: i64) -> Option<i64>;
    /// Sets what an account holds.
    fn set(&mut self, account: i64, balance: i64);
    /// Returns the sum of all accounts.
    fn sum(&self) -> i64;
}

impl Accounts for BTreeMap<i64, i64> {
    fn balance(&self, account: i64) -> Option<i64> {
        self.get(&account).copied()
    }

    fn set(&mut self, account: i64, balance: i64) {
        self.insert(account, balance);
    }

    fn sum(&self) -> i64 {
        self.values().sum()
    }
}

impl Accounts for HashMap<i64, i64> {
    fn balance(&self, account: i64) -> Option<i64> {
        self.get(&account).copied()
    }

    fn set(&mut self, account: i64, balance: i64) {
        self.insert(account, balance);
    }

    fn sum(&self) -> i64 {
        self.values().sum()
    }
}

impl Accounts for RedBlackTreeMapSync<i64, i64> {
    fn balance(&self, account: i64) -> Option<i64> {
        self.get(&account).copied()
    }

    fn set(&mut self, account: i64, balance: i64) {
        self.insert_mut(account, balance);
    }

    fn sum(&self) -> i64 {
        self.values().sum()
    }
}

/// The ledger over some map.
#[derive(Debug, Clone)]
pub struct Ledger<M> {
    count: i64,
    total: i64,
    rejected: i64,
    limit: i64,
    fees: i64,
    hwm: i64,
    accounts: M,
}

impl<M: Accounts> Default for Ledger<M> {
    fn default() -> Ledger<M> {
        let accounts = (0..ACCOUNTS).map(|account| (account, OPENING)).collect();
        Ledger { count: 0, total: 0, rejected: 0, limit: 1000, fees: 0, hwm: 0, accounts }
    }
}

impl<M: Accounts> Ledger<M> {
    /// Takes one order. Checked arithmetic, as in ours.
    pub fn take(&mut self, order: &Order) -> Option<Answer> {
        let outside = |amount: i64| amount < 1 || self.limit < amount;
        Some(match *order {
            Order::Deposit { amount, .. }
            | Order::Withdraw { amount, .. }
            | Order::Transfer { amount, .. }
                if outside(amount) =>
            {
                self.reject(1)?
            }
            Order::Deposit { account, amount } => match self.accounts.balance(account) {
                None => self.reject(2)?,
                Some(balance) => {
                    let left = balance.checked_add(amount)?;
                    self.accounts.set(account, left);
                    self.total = self.total.checked_add(amount)?;
                    self.book(amount, left)?;
                    Answer::Ok(left)
                }
            },
            Order::Withdraw { account, amount } => match self.accounts.balance(account) {
                None => self.reject(2)?,
                Some(balance) if balance < amount => self.reject(3)?,
                Some(balance) => {
                    let left = balance.checked_sub(amount)?;
                    self.accounts.set(account, left);
                    self.total = self.total.checked_sub(amount)?;
                    self.book(amount, left)?;
                    Answer::Ok(left)
                }
            },
            Order::Transfer { from, to, .. } if from == to => self.reject(4)?,
            Order::Transfer { from, to, amount } => {
                match (self.accounts.balance(from), self.accounts.balance(to)) {
                    (Some(payer), Some(_)) if payer < amount => self.reject(3)?,
                    (Some(payer), Some(payee)) => {
                        let (payer, payee) = (payer.checked_sub(amount)?, payee.checked_add(amount)?);
                        self.accounts.set(from, payer);
                        self.accounts.set(to, payee);
                        self.book(amount, payee)?;
                        Answer::Ok(payer)
                    }
                    _ => self.reject(2)?,
                }
            }
            Order::Balance { account } => match self.accounts.balance(account) {
                Some(balance) => Answer::Bal(balance),
                None => self.reject(2)?,
            },
            Order::SetLimit { limit } => {
                self.limit = limit;
                Answer::Ok(limit)
            }
            Order::Stats => Answer::Stats { count: self.count, total: self.total, rejected: self.rejected },
        })
    }

    fn reject(&mut self, why: i64) -> Option<Answer> {
        self.rejected = self.rejected.checked_add(1)?;
        Some(Answer::Rejected(why))
    }

    fn book(&mut self, amount: i64, balance: i64) -> Option<()> {
        self.count = self.count.checked_add(1)?;
        self.fees = self.fees.checked_add(1)?.checked_add(amount / 250)?;
        self.hwm = self.hwm.max(balance);
        Some(())
    }
}

/// The ledger as a machine, with a copy of its state kept beside it where one is asked for.
#[derive(Debug)]
pub struct NativeLedger<M> {
    state: Ledger<M>,
    held: Option<Ledger<M>>,
}

impl<M: Accounts> Default for NativeLedger<M> {
    fn default() -> NativeLedger<M> {
        NativeLedger { state: Ledger::default(), held: None }
    }
}

impl<M: Accounts> Machine for NativeLedger<M> {
    type Input = Order;
    type Output = Option<Answer>;

    // Not inlined: a machine is called without knowing which input comes.
    #[inline(never)]
    fn step(&mut self, input: &Order) -> Option<Answer> {
        self.state.take(input)
    }

    fn hold(&mut self) {
        self.held = Some(self.state.clone());
    }

    fn figures(&self) -> Vec<i64> {
        let Ledger { count, total, rejected, limit, fees, hwm, accounts } = &self.state;
        vec![*count, *total, *rejected, *limit, *fees, *hwm, accounts.sum()]
    }
}

/// An input of the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Adds one.
    Incr,
    /// Asks for the count.
    Count,
}

/// The counter in plain Rust.
#[derive(Debug, Default)]
pub struct NativeCounter {
    count: i64,
    held: Option<i64>,
}

impl Machine for NativeCounter {
    type Input = Count;
    /// `None`: it would overflow. Else the answer, which has a number where it was asked for one.
    type Output = Option<Option<i64>>;

    #[inline(never)]
    fn step(&mut self, input: &Count) -> Option<Option<i64>> {
        match input {
            Count::Incr => {
                self.count = self.count.checked_add(1)?;
                Some(None)
            }
            Count::Count => Some(Some(self.count)),
        }
    }

    fn hold(&mut self) {
        self.held = Some(self.count);
    }

    fn figures(&self) -> Vec<i64> {
        vec![self.count]
    }
}
