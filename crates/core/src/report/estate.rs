//! The overview of the estate: a row for every VPC, a lane for every connection between them.
//!
//! A lane runs from the row of one end to the row of the other; a transit gateway is a row with a lane to each of its
//! VPCs. Ends that no evidence describes stand below, under their ids. Default VPCs without a connection are
//! counted, not drawn. A region whose VPCs could not be read is a row that says why.

use std::collections::{BTreeMap, BTreeSet};

use super::drawings::Drawings;
use super::network::{Peering, Transit, Vpc};
use super::routes::Tier;
use super::svg::Canvas;
use super::vpc::flow_words;

const ROW: usize = 24;
const HEAD: usize = 30;
const LANE: usize = 14;
/// Where lanes begin.
const LANES: usize = 676;
/// Rows beyond which only VPCs with a connection have their own.
const MOST: usize = 300;

/// What connects VPCs, each once, whichever account listed it.
pub(super) struct Connections {
    pub(super) peerings: Vec<Peering>,
    pub(super) transits: Vec<Transit>,
    /// Places whose connections could not be read, and why.
    pub(super) unread: Vec<(String, String, String)>,
}

impl Connections {
    pub(super) fn of(drawings: &Drawings) -> Self {
        let mut peerings: BTreeMap<String, Peering> = BTreeMap::new();
        let mut transits: BTreeMap<String, Transit> = BTreeMap::new();
        let mut unread = Vec::new();
        for (account, region, network) in drawings.networks() {
            let place = |why: &String| (account.to_owned(), region.to_owned(), why.clone());
            unread.extend(network.peerings.as_ref().err().or(network.transits.as_ref().err()).map(place));
            for peering in network.peerings.as_deref().unwrap_or_default() {
                peerings.entry(peering.id.clone()).or_insert_with(|| peering.clone());
            }
            for transit in network.transits.as_deref().unwrap_or_default() {
                let known = transits.entry(transit.id.clone()).or_insert_with(|| transit.clone());
                known.vpcs.extend(transit.vpcs.iter().cloned());
                for (kind, count) in &transit.others {
                    let known = known.others.entry(kind.clone()).or_default();
                    *known = (*known).max(*count);
                }
            }
        }
        Self {
            peerings: peerings.into_values().filter(|it| !it.is_gone()).collect(),
            transits: transits.into_values().collect(),
            unread,
        }
    }

    /// VPCs that have a connection.
    fn ends(&self) -> BTreeSet<&str> {
        let peered = self.peerings.iter().flat_map(|it| [it.from.vpc.as_str(), it.to.vpc.as_str()]);
        peered.chain(self.transits.iter().flat_map(|it| it.vpcs.iter().map(String::as_str))).collect()
    }
}

/// Draws the estate; `names` are those of the accounts.
pub(super) fn overview(
    drawings: &Drawings,
    connections: &Connections,
    names: &BTreeMap<String, String>,
) -> String {
    let ends = connections.ends();
    let few = drawings.vpcs().count() <= MOST;
    let mut sheet = Sheet { canvas: Canvas::default(), y: HEAD + 6, rows: BTreeMap::new() };
    let mut account_before = "";
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    for (account, region, network) in drawings.networks() {
        if account != account_before {
            sheet.left_out(left_out.remove(account_before));
            sheet.account(account, names.get(account).map_or("", String::as_str));
            account_before = account;
        }
        match &network.vpcs {
            Err(why) => sheet.note(region, "u", &format!("VPCs unknown ({why})")),
            Ok(vpcs) => {
                for vpc in vpcs {
                    if ends.contains(vpc.id.as_str()) || (few && !vpc.is_default) {
                        sheet.vpc(region, vpc);
                    } else {
                        *left_out.entry(account).or_default() += 1;
                    }
                }
            }
        }
    }
    sheet.left_out(left_out.remove(account_before));
    sheet.outside(connections);
    sheet.lanes(connections)
}

struct Sheet {
    canvas: Canvas,
    y: usize,
    /// Middle of the row of each VPC or transit gateway.
    rows: BTreeMap<String, usize>,
}

impl Sheet {
    fn account(&mut self, account: &str, name: &str) {
        self.y += 6;
        self.canvas.text("b", 10, self.y + 16, 260, if name.is_empty() { account } else { name });
        self.canvas.text("ms", 280, self.y + 16, 200, if name.is_empty() { "" } else { account });
        self.y += ROW;
        self.canvas.path("r", &format!("M10 {}H{}", self.y, LANES - 20));
    }

    fn note(&mut self, region: &str, class: &str, words: &str) {
        self.canvas.text("s", 10, self.y + 16, 90, region);
        self.canvas.text(class, 104, self.y + 16, LANES - 140, words);
        self.y += ROW;
    }

    fn left_out(&mut self, count: Option<usize>) {
        if let Some(count) = count {
            let s = if count == 1 { "" } else { "s" };
            self.note("", "s", &format!("and {count} VPC{s} without connections: see the diagrams"));
        }
    }

    fn vpc(&mut self, region: &str, vpc: &Vpc) {
        let y = self.y + 16;
        self.canvas.text("s", 10, y, 90, region);
        self.canvas.text("", 104, y, 172, vpc.name.as_deref().unwrap_or(&vpc.id));
        let more = vpc.cidrs.len().saturating_sub(1);
        let first = vpc.cidrs.first().map_or("", String::as_str);
        let cidrs = if more == 0 { first.to_owned() } else { format!("{first} +{more}") };
        self.canvas.text("m", 280, y, 116, &cidrs);
        let (class, internet) = match &vpc.internet {
            Ok(ids) if ids.is_empty() => ("s", "none"),
            Ok(_) => ("", "gateway"),
            Err(_) => ("u", "unknown"),
        };
        self.canvas.text(class, 398, y, 54, internet);
        let tiers = vpc.subnets.as_ref().map(|subnets| {
            let of = |tier: Tier| subnets.iter().filter(|subnet| subnet.tier == tier).count();
            let unknown = of(Tier::Unknown);
            let rest = if unknown == 0 { String::new() } else { format!(" + {unknown}?") };
            format!("{} / {} / {}{rest}", of(Tier::Public), of(Tier::Private), of(Tier::Data))
        });
        match tiers {
            Ok(counts) => self.canvas.text("", 454, y, 120, &counts),
            Err(_) => self.canvas.text("u", 454, y, 120, "unknown"),
        }
        let (mark, words) = flow_words(vpc);
        let short = match mark {
            "p" => "on",
            "u" => "unknown",
            "w" => "on subnets",
            _ if words.ends_with("none") => "none",
            _ => "failing",
        };
        self.canvas.text(mark, 582, y, 76, short);
        self.rows.insert(vpc.id.clone(), self.y + ROW / 2);
        self.y += ROW;
    }

    /// Ends that are not in the evidence, and the transit gateways.
    fn outside(&mut self, connections: &Connections) {
        let sides = connections.peerings.iter().flat_map(|it| [&it.from, &it.to]);
        let mut strangers: BTreeMap<&str, String> =
            sides.map(|side| (side.vpc.as_str(), format!("in {} {}", side.account, side.region))).collect();
        for vpc in connections.transits.iter().flat_map(|it| &it.vpcs) {
            strangers.entry(vpc).or_insert_with(|| "behind a transit gateway".to_owned());
        }
        strangers.retain(|vpc, _| !self.rows.contains_key(*vpc));
        if !strangers.is_empty() {
            self.account("Outside this evidence", "");
        }
        for (vpc, place) in strangers {
            self.canvas.text("m", 104, self.y + 16, 172, vpc);
            self.canvas.text("s", 280, self.y + 16, 370, &place);
            self.rows.insert(vpc.to_owned(), self.y + ROW / 2);
            self.y += ROW;
        }
        if !connections.transits.is_empty() {
            self.account("Transit gateways", "");
        }
        for transit in &connections.transits {
            let others: Vec<String> =
                transit.others.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let others = if others.is_empty() { String::new() } else { format!(", {}", others.join(", ")) };
            self.canvas.text("m", 104, self.y + 16, 172, &transit.id);
            let words = format!("of {}: {} VPCs{others}", transit.owner, transit.vpcs.len());
            self.canvas.text("s", 280, self.y + 16, 370, &words);
            self.rows.insert(transit.id.clone(), self.y + ROW / 2);
            self.y += ROW;
        }
    }

    /// A lane per connection; connections that do not meet share one.
    fn lanes(mut self, connections: &Connections) -> String {
        let mut spans: Vec<(usize, usize, Vec<usize>, bool)> = Vec::new();
        for peering in &connections.peerings {
            let rows = [&peering.from.vpc, &peering.to.vpc].map(|vpc| self.rows.get(vpc).copied());
            if let [Some(one), Some(other)] = rows {
                spans.push((one.min(other), one.max(other), vec![one, other], peering.status == "active"));
            }
        }
        for transit in &connections.transits {
            let ids = transit.vpcs.iter().chain([&transit.id]);
            let rows: Vec<usize> = ids.filter_map(|id| self.rows.get(id).copied()).collect();
            if let (Some(first), Some(last)) = (rows.iter().min(), rows.iter().max()) {
                spans.push((*first, *last, rows.clone(), true));
            }
        }
        spans.sort();
        let mut ends: Vec<usize> = Vec::new();
        for (first, last, rows, active) in spans {
            let free = ends.iter().position(|end| *end < first);
            let lane = free.unwrap_or(ends.len());
            match ends.get_mut(lane) {
                Some(end) => *end = last,
                None => ends.push(last),
            }
            let x = LANES + lane * LANE;
            self.canvas.path(if active { "l" } else { "l d" }, &format!("M{x} {first}V{last}"));
            for y in rows {
                self.canvas.path("l x", &format!("M{} {y}H{x}", LANES - 16));
                self.canvas.dot("o", x, y);
            }
        }
        let wide = LANES + ends.len().max(7) * LANE + 10;
        for (x, label) in [
            (10, "Region"),
            (104, "VPC"),
            (280, "Addresses"),
            (398, "Internet"),
            (454, "Public/private/data"),
            (582, "Flow logs"),
            (LANES - 6, "Connections"),
        ] {
            self.canvas.text("h", x, 18, 150, label);
        }
        self.canvas.path("r", &format!("M10 {HEAD}H{wide}"));
        let description = format!(
            "{} peering connections and {} transit gateways between the VPCs. Lists with the same content follow.",
            connections.peerings.len(),
            connections.transits.len()
        );
        self.canvas.finish(
            "estate",
            "Accounts, VPCs and how they are connected",
            &description,
            wide,
            self.y + 8,
        )
    }
}
