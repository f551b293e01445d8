//! Holding a node against the accounts of its clients.

use camshaft_tests::{Client, until};
use serde_json::Value;

use crate::bank::ACCOUNTS;
use crate::client::{Load, Manner, Sums};

fn number(value: &Value, case: &str, field: &str) -> u64 {
    value[case][field].as_u64().unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// Returns what the tills have, as far as the clients' accounts allow it: what each account is to get in
/// payments, and how many payments were not answered yet.
fn tills(load: &Load, client: &Client, context: &str) -> (Sums, u64) {
    let (mut sums, mut under_way) = (Sums::new(), 0);
    for payer in load.payers.iter().filter(|payer| payer.manner != Manner::Deposit) {
        let told = client.send(&format!("bank/till/{}", payer.name), "\"Read\"");
        let account = payer.account.lock().expect("no panic");
        let of = |field| number(&told, "Told", field);
        let context = format!("{} says {told}, its client {account:?}; {context}", payer.name);
        let doubtful = account.doubtful.iter().filter(|payment| payment.counts()).count();
        let applied = of("paid").checked_sub(account.paid).map(usize::try_from);
        let Some(Ok(applied)) = applied.filter(|applied| applied.as_ref().is_ok_and(|it| *it <= doubtful))
        else {
            panic!("lost or doubled: {context}");
        };
        let of_till = account.sums_with(applied);
        assert_eq!(of("sent"), of_till.values().map(|(sum, _)| sum).sum::<u64>(), "{context}");
        assert!(of("answered") <= of("paid") && of("unanswered") == 0, "{context}");
        under_way += of("paid") - of("answered");
        for (to, (sum, count)) in of_till {
            let (all, number) = sums.entry(to).or_default();
            (*all, *number) = (*all + sum, *number + count);
        }
    }
    (sums, under_way)
}

/// Compares the accounts with what the tills sent: exactly, or as what may still be on its way.
fn accounts(load: &Load, client: &Client, sent: &Sums, at_rest: bool, context: &str) {
    for account in (0..ACCOUNTS).map(|index| format!("a{index}")) {
        let stands = client.send(&format!("bank/account/{account}"), "\"Read\"");
        let of = |field| number(&stands, "Stands", field);
        let context = format!("{account} {stands}, sent {:?}; {context}", sent.get(&account));
        let (mut sum, count) = sent.get(&account).copied().unwrap_or_default();
        let mut deposits = 0;
        for payer in load.payers.iter().filter(|payer| payer.manner == Manner::Deposit && account == "a0") {
            let known = payer.account.lock().expect("no panic");
            let applied = of("deposits").checked_sub(known.paid).filter(|applied| *applied <= 1);
            let applied = applied.unwrap_or_else(|| panic!("lost or doubled: {known:?}; {context}"));
            let with = known.sums_with(usize::try_from(applied).expect("0 or 1"));
            sum += with.get(&account).map_or(0, |(sum, _)| *sum);
            deposits += known.paid + applied;
        }
        assert_eq!(of("deposits"), deposits, "{context}");
        match at_rest {
            true => assert_eq!((of("sum"), of("count")), (sum, count), "{context}"),
            false => assert!(of("sum") <= sum && of("count") <= count, "{context}"),
        }
    }
}

/// Holds the node against the accounts of all clients; nothing may be sent meanwhile.
pub fn audit(load: &Load, client: &Client, to_rest: bool, context: &str) {
    load.check();
    let (sent, _) = tills(load, client, context);
    accounts(load, client, &sent, false, context);
    if to_rest {
        until("all messages to be answered", || (tills(load, client, context).1 == 0).then_some(()));
        let (still, _) = tills(load, client, context);
        assert_eq!(still, sent, "nobody sent anything: {context}");
        accounts(load, client, &sent, true, context);
        assert_eq!(client.node()["counts"]["parked"], 0, "{context}");
    }
}

/// Returns why something was sent again whose answer came only then, each time.
pub fn retries(load: &Load) -> Vec<String> {
    load.payers.iter().flat_map(|payer| payer.account.lock().expect("no panic").retries.clone()).collect()
}
