//! The diagram of one VPC: columns are availability zones, rows are tiers by the route table in force.
//!
//! What stands at the border stands there: the internet gateway on top, peering and transit gateways on the right,
//! endpoints at the bottom. What could not be read is a dashed box with the reason, never an empty place.

use std::collections::BTreeSet;

use super::network::{Balancer, Flow, Link, Subnet, Vpc, Waf};
use super::routes::Tier;
use super::svg::Canvas;

const GUTTER: usize = 134;
const COLUMN: usize = 198;
const GAP: usize = 8;
const EDGE: usize = 14;
const LINKS: usize = 194;
const LINE: usize = 15;
const TIERS: [Tier; 4] = [Tier::Public, Tier::Private, Tier::Data, Tier::Unknown];

/// Draws a VPC. `id` is unique in the page.
pub(super) fn diagram(vpc: &Vpc, account: &str, region: &str, id: &str) -> String {
    let subnets = vpc.subnets.as_deref().unwrap_or_default();
    let mut zones: BTreeSet<&str> = subnets.iter().map(|subnet| subnet.zone.as_str()).collect();
    for balancer in vpc.balancers.as_deref().unwrap_or_default() {
        zones.extend(balancer.zones.iter().map(String::as_str));
    }
    let zones: Vec<&str> = zones.into_iter().collect();
    let wide = GUTTER + zones.len().max(3) * (COLUMN + GAP) + EDGE;
    let mut sheet = Sheet { canvas: Canvas::default(), vpc, zones, wide, y: 0 };
    sheet.strip();
    let top = sheet.y;
    sheet.balancers();
    sheet.tiers(subnets);
    sheet.endpoints();
    let bottom = sheet.links(top).max(sheet.y + 10);
    let mut whole = Canvas::default();
    whole.rect("v", 1, 33, wide, sheet.y - 23);
    sheet.gateways();
    let right = if matches!(&vpc.links, Ok(links) if links.is_empty()) { 2 } else { LINKS };
    let title = format!("Network of {} in {account} {region}", vpc.name.as_deref().unwrap_or(&vpc.id));
    let canvas = whole.then(&sheet.canvas);
    canvas.finish(id, &title, &described(vpc), wide + right, bottom + 4)
}

/// One sentence for those who do not see the drawing; the table below it says the rest.
fn described(vpc: &Vpc) -> String {
    let subnets = match &vpc.subnets {
        Ok(subnets) => TIERS
            .iter()
            .filter_map(|tier| {
                let count = subnets.iter().filter(|subnet| subnet.tier == *tier).count();
                (count > 0).then(|| format!("{count} {}", tier.word().to_lowercase()))
            })
            .collect::<Vec<_>>()
            .join(", "),
        Err(why) => format!("unknown ({why})"),
    };
    format!("Subnets: {}. {}. A table with the same content follows.", or_none(&subnets), flow_words(vpc).1)
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// The state of the flow logs: the class of its mark, and words.
pub(super) fn flow_words(vpc: &Vpc) -> (&'static str, String) {
    match &vpc.flow {
        Err(why) => ("u", format!("Flow logs: unknown ({why})")),
        Ok(Flow::Missing) => ("f", "Flow logs: none".to_owned()),
        Ok(Flow::Subnets(logged)) => {
            let of = vpc.subnets.as_ref().map_or_else(|_| "?".to_owned(), |all| all.len().to_string());
            ("w", format!("Flow logs: on {logged} of {of} subnets, not on the VPC"))
        }
        Ok(Flow::Logs { words, alive }) => {
            let mark = match alive {
                false => "f",
                true if words.iter().any(|words| words.starts_with("ALL ")) => "p",
                true => "w",
            };
            (mark, format!("Flow logs: {}", words.join("; ")))
        }
    }
}

/// How many there are, or why that is not known.
pub(super) fn counted(known: &Result<usize, String>, one: &str, many: &str) -> String {
    match known {
        Ok(1) => format!("1 {one}"),
        Ok(count) => format!("{count} {many}"),
        Err(why) => format!("{many} unknown ({why})"),
    }
}

/// What stands before a load balancer, in words; nothing where no web ACL can be.
pub(super) fn waf_words(waf: &Waf) -> (&'static str, String) {
    match waf {
        Waf::Acl(name) => ("p", format!("WAF {name}")),
        Waf::Missing => ("f", "no WAF".to_owned()),
        Waf::Inapplicable => ("s", String::new()),
        Waf::Unread(why) => ("u", format!("WAF unknown ({why})")),
    }
}

/// What a connection is and in which state, its ids, and where its other end is.
pub(super) fn link_words(vpc: &Vpc, link: &Link) -> (String, String, String) {
    match link {
        Link::Peering(peering) => {
            let other = if peering.from.vpc == vpc.id { &peering.to } else { &peering.from };
            (
                format!("Peering, {}", peering.status),
                format!("{} to {}", peering.id, other.vpc),
                format!("{} {}", other.account, other.region),
            )
        }
        Link::Transit { id, state } => ("Transit gateway".to_owned(), id.clone(), state.clone()),
    }
}

struct Sheet<'a> {
    canvas: Canvas,
    vpc: &'a Vpc,
    zones: Vec<&'a str>,
    wide: usize,
    y: usize,
}

impl Sheet<'_> {
    fn column(&self, zone: &str) -> usize {
        let place = self.zones.iter().position(|it| *it == zone).unwrap_or_default();
        GUTTER + place * (COLUMN + GAP)
    }

    /// Address ranges, flow logs, counts, and the names of the zones.
    fn strip(&mut self) {
        let (x, room) = (30, self.wide - 30 - EDGE);
        self.canvas.text("m", x, 64, room, &self.vpc.cidrs.join("  "));
        let (mark, words) = flow_words(self.vpc);
        let counts = format!(
            "{}, {}",
            counted(&self.vpc.groups, "security group", "security groups"),
            counted(&self.vpc.acls, "network ACL", "network ACLs")
        );
        self.canvas.text(mark, x, 82, room, &words);
        self.canvas.text("s", x, 98, room, &counts);
        for zone in self.zones.clone() {
            let x = self.column(zone);
            self.canvas.text("h", x, 122, COLUMN, zone);
        }
        self.y = 130;
    }

    /// The gateways on the upper border; drawn last, over it.
    fn gateways(&mut self) {
        self.canvas.text("h", EDGE, 12, 80, "Internet");
        let mut x = EDGE - 4;
        let parts = [
            (&self.vpc.internet, "no internet gateway", "internet gateways unknown"),
            (&self.vpc.egress_only, "", "egress-only gateways unknown"),
        ];
        for (part, none, unread) in parts {
            match part {
                Ok(ids) if ids.is_empty() && none.is_empty() => {}
                Ok(ids) if ids.is_empty() => {
                    self.canvas.rect("c n", x, 22, 140, 22);
                    self.canvas.text("s", x + 8, 37, 128, none);
                    x += 150;
                }
                Ok(ids) => {
                    for id in ids {
                        if !none.is_empty() {
                            self.canvas.path("l", &format!("M{EDGE} 18V22"));
                        }
                        self.canvas.rect("c", x, 22, 164, 22);
                        self.canvas.text("m", x + 8, 37, 150, id);
                        x += 174;
                    }
                }
                Err(why) => {
                    self.canvas.rect("c u", x, 22, 420, 22);
                    self.canvas.text("u", x + 8, 37, 408, &format!("{unread} ({why})"));
                    x += 430;
                }
            }
        }
    }

    /// Load balancers, each over the zones that it is in.
    fn balancers(&mut self) {
        let balancers = match &self.vpc.balancers {
            Ok(balancers) => balancers,
            Err(why) => return self.unread("Load balancers", why),
        };
        if balancers.is_empty() {
            return;
        }
        self.canvas.text("b", 30, self.y + 16, GUTTER - 36, "Load");
        self.canvas.text("b", 30, self.y + 30, GUTTER - 36, "balancers");
        for balancer in balancers {
            self.balancer(balancer);
        }
        self.y += 4;
    }

    fn balancer(&mut self, balancer: &Balancer) {
        let columns: Vec<usize> = balancer.zones.iter().map(|zone| self.column(zone)).collect();
        let from = columns.iter().min().copied().unwrap_or(GUTTER);
        let to = columns.iter().max().copied().unwrap_or(GUTTER) + COLUMN;
        self.canvas.rect("c", from, self.y, to - from, 36);
        self.canvas.text("b", from + 8, self.y + 15, to - from - 14, &balancer.name);
        let (mark, waf) = waf_words(&balancer.waf);
        let parts = [balancer.kind.as_str(), balancer.scheme.as_str()];
        let kind = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        if waf.is_empty() {
            self.canvas.text("s", from + 8, self.y + 30, to - from - 14, &kind);
        } else if to - from > COLUMN {
            self.canvas.text("s", from + 8, self.y + 30, 192, &kind);
            self.canvas.text(mark, from + 206, self.y + 30, to - from - 212, &waf);
        } else {
            let scheme = if balancer.scheme == "internet-facing" { "internet" } else { "internal" };
            self.canvas.text("s", from + 8, self.y + 30, 52, scheme);
            self.canvas.text(mark, from + 62, self.y + 30, COLUMN - 68, &waf);
        }
        self.y += 40;
    }

    fn unread(&mut self, what: &str, why: &str) {
        let text = format!("{what}: unknown ({why})");
        self.canvas.rect("c u", 22, self.y, self.wide - 22 - EDGE, 24);
        self.canvas.text("u", 30, self.y + 16, self.wide - 52, &text);
        self.y += 32;
    }

    fn tiers(&mut self, subnets: &[Subnet]) {
        if let Err(why) = &self.vpc.subnets {
            self.unread("Subnets", why);
        }
        if let Err(why) = &self.vpc.nats {
            self.unread("NAT gateways", why);
        }
        if self.vpc.subnets.is_ok() && subnets.is_empty() {
            self.canvas.text("s", 30, self.y + 18, self.wide - 60, "No subnets.");
            self.y += 30;
        }
        for tier in TIERS {
            let own: Vec<&Subnet> = subnets.iter().filter(|subnet| subnet.tier == tier).collect();
            if !own.is_empty() {
                self.tier(tier, &own);
            }
        }
    }

    fn tier(&mut self, tier: Tier, subnets: &[&Subnet]) {
        let (top, begin) = (self.y, self.y + 8);
        let mut boxes = Canvas::default();
        let mut low = begin;
        for zone in self.zones.clone() {
            let mut y = begin;
            let x = self.column(zone);
            for subnet in subnets.iter().filter(|subnet| subnet.zone == zone) {
                y += subnet_box(&mut boxes, subnet, x, y) + 6;
            }
            low = low.max(y);
        }
        let class = match tier {
            Tier::Public => "t1",
            Tier::Private => "t2",
            Tier::Data => "t3",
            Tier::Unknown => "t4",
        };
        self.canvas.rect(class, 22, top, self.wide - 22 - EDGE + 6, low - top + 2);
        self.canvas.text("b", 30, top + 22, GUTTER - 36, tier.word());
        let ways: BTreeSet<&str> =
            subnets.iter().flat_map(|it| &it.ways).map(|way| way.split('-').next().unwrap_or(way)).collect();
        let ways: Vec<&str> = ways.into_iter().collect();
        let (first, second) = match tier {
            Tier::Public => ("route to an", "internet gateway".to_owned()),
            Tier::Private => ("way out by", ways.join(", ")),
            Tier::Data => ("no way out", String::new()),
            Tier::Unknown => ("route table", "not known".to_owned()),
        };
        self.canvas.text("s", 30, top + 38, GUTTER - 36, first);
        self.canvas.text("s", 30, top + 52, GUTTER - 36, &second);
        if tier == Tier::Public && matches!(&self.vpc.internet, Ok(ids) if !ids.is_empty()) {
            self.canvas.path("l", &format!("M{EDGE} 44V{}H22", top + 18));
        }
        self.canvas.append(&boxes);
        self.y = low.max(top + 60) + 8;
    }

    fn endpoints(&mut self) {
        let endpoints = match &self.vpc.endpoints {
            Ok(endpoints) => endpoints,
            Err(why) => return self.unread("Endpoints", why),
        };
        if endpoints.is_empty() {
            return;
        }
        self.canvas.text("b", 30, self.y + 16, GUTTER - 36, "Endpoints");
        let mut x = GUTTER;
        for endpoint in endpoints {
            let words = format!("{} ({})", endpoint.service, endpoint.kind.to_lowercase());
            let room = (super::text::width(&words) * 6 + 18).clamp(80, COLUMN * 2);
            if x > GUTTER && x + room > self.wide - EDGE {
                x = GUTTER;
                self.y += 28;
            }
            self.canvas.rect("c", x, self.y, room, 22);
            self.canvas.text("", x + 8, self.y + 15, room - 10, &words);
            x += room + GAP;
        }
        self.y += 34;
    }

    /// Connections on the right border; how far down they reach.
    fn links(&mut self, top: usize) -> usize {
        let x = self.wide + 26;
        let mut y = top;
        match &self.vpc.links {
            Ok(links) => {
                for link in links {
                    let (what, to, place) = link_words(self.vpc, link);
                    self.canvas.path("l", &format!("M{} {}H{x}", self.wide + 1, y + 26));
                    let mut lines = vec![("b", what.as_str())];
                    lines.extend(to.split(" to ").map(|part| ("m", part)));
                    lines.extend((!place.is_empty()).then_some(("s", place.as_str())));
                    let high = lines.len() * LINE + 8;
                    self.canvas.rect("c", x, y, LINKS - 30, high);
                    for (number, (class, text)) in lines.into_iter().enumerate() {
                        self.canvas.text(class, x + 8, y + (number + 1) * LINE, LINKS - 42, text);
                    }
                    y += high + 8;
                }
            }
            Err(why) => {
                self.canvas.rect("c u", x, y, LINKS - 30, 40);
                self.canvas.text("u", x + 8, y + 16, LINKS - 42, "Connections: unknown");
                self.canvas.text("u", x + 8, y + 32, LINKS - 42, why);
                y += 48;
            }
        }
        y
    }
}

/// Draws a subnet; how high it is.
fn subnet_box(canvas: &mut Canvas, subnet: &Subnet, x: usize, y: usize) -> usize {
    let mut lines: Vec<(&str, String)> = Vec::new();
    if let Some(name) = &subnet.name {
        lines.push(("b", name.clone()));
    }
    lines.push(("ms", subnet.id.clone()));
    lines.extend(subnet.cidrs.iter().map(|cidr| ("m", cidr.clone())));
    lines.extend(subnet.ways.iter().map(|way| ("ms", format!("\u{2192} {way}"))));
    lines.extend(subnet.nats.iter().map(|nat| ("m", format!("NAT {nat}"))));
    if subnet.gives_public {
        lines.push(("w", "assigns public addresses".to_owned()));
    }
    if let Some(count) = subnet.interfaces.filter(|count| *count > 0) {
        let s = if count == 1 { "" } else { "s" };
        lines.push(("s", format!("{count} network interface{s}")));
    }
    let high = lines.len() * LINE + 10;
    canvas.at(x, y);
    canvas.rect("n", 0, 0, COLUMN, high);
    for (number, (class, text)) in lines.iter().enumerate() {
        canvas.text(class, 8, (number + 1) * LINE + 2, COLUMN - 14, text);
    }
    canvas.end();
    high
}
