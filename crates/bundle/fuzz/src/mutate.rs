//! Changes inputs of a target: at random, and along their structure where that is cheap.
//!
//! Promised: the same seed gives the same change, and no result is longer than asked. Structure means DER (lengths
//! around a change are made good, so that readers get beyond the first of them), lines, and numbers in text. Digests
//! and signatures are left to the targets, which make them good themselves.

/// Numbers that readers get wrong.
const NUMBERS: [&str; 10] = [
    "0",
    "1",
    "-1",
    "00",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "1e9",
    "0.5",
];
const BYTES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', b'/'];
/// Deeper trees are left as bytes.
const DEPTH: usize = 24;

/// Deterministic numbers (splitmix64).
pub(crate) struct Random(pub u64);

impl Random {
    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`, or 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(self.below(all.len())).copied()
    }
}

/// One input made of another, for the target of this name. `other` is a further input to take pieces of.
pub(crate) fn mutate(target: &str, input: &[u8], other: &[u8], most: usize, random: &mut Random) -> Vec<u8> {
    let mut changed = input.to_vec();
    for _ in 0..=random.below(3) {
        changed = match (target, random.below(3)) {
            ("token", 0 | 1) => der(&changed, random),
            ("token" | "archive", _) | (_, 0) => bytes(changed, other, random),
            _ => text(&changed, other, random),
        };
    }
    changed.truncate(most);
    changed
}

/// What libFuzzer calls: its own changes, which coverage guides, and every other time one of ours.
#[allow(dead_code, reason = "only the targets of libFuzzer call it")]
pub(crate) fn for_libfuzzer(
    target: &str,
    data: &mut [u8],
    size: usize,
    most: usize,
    seed: u32,
    theirs: impl Fn(&mut [u8], usize, usize) -> usize,
) -> usize {
    let mut random = Random(u64::from(seed));
    if random.below(2) == 0 {
        return theirs(data, size, most);
    }
    let input = data.get(..size).unwrap_or_default().to_vec();
    let changed = mutate(target, &input, &input, most, &mut random);
    data[..changed.len()].copy_from_slice(&changed);
    changed.len()
}

/// A range of at most `longest`.
fn range(length: usize, longest: usize, random: &mut Random) -> std::ops::Range<usize> {
    let start = random.below(length);
    start..(start + random.below(longest)).min(length)
}

fn bytes(mut input: Vec<u8>, other: &[u8], random: &mut Random) -> Vec<u8> {
    let at = random.below(input.len());
    let piece = range(input.len(), 64, random);
    match random.below(7) {
        0 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        1 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.one_of(&BYTES).unwrap_or(0)),
        2 => drop(input.drain(piece)),
        3 => {
            let copy = input.get(piece).unwrap_or_default().to_vec();
            drop(input.splice(at..at, copy));
        }
        4 => {
            let copy = other.get(range(other.len(), 256, random)).unwrap_or_default().to_vec();
            let end = (at + copy.len()).min(input.len());
            drop(input.splice(at..end, copy));
        }
        5 => {
            let width = random.one_of(&[1, 2, 4, 8]).unwrap_or(1);
            let value = random.one_of(&[0, u64::MAX, 1 << 31, u64::MAX >> 1, 255, random.0]).unwrap_or(0);
            let end = (at + width).min(input.len());
            drop(input.splice(at..end, value.to_le_bytes().into_iter().take(width)));
        }
        _ => input.truncate(at),
    }
    input
}

/// Lines and numbers.
fn text(input: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut pieces: Vec<&[u8]> = if random.below(2) == 0 {
        input.split_inclusive(|byte| *byte == b'\n').collect()
    } else {
        // JSON: members and elements.
        input.split_inclusive(|byte| b",{}[]\n".contains(byte)).collect()
    };
    let others: Vec<&[u8]> = other.split_inclusive(|byte| b",\n".contains(byte)).collect();
    let (one, two) = (random.below(pieces.len()), random.below(pieces.len()));
    if pieces.is_empty() {
        return input.to_vec();
    }
    match random.below(5) {
        0 => drop(pieces.remove(one)),
        1 => pieces.insert(one, pieces[two]),
        2 => pieces.swap(one, two),
        3 => pieces.insert(one, random.one_of(&others).unwrap_or_default()),
        _ => return number(input, random),
    }
    pieces.concat()
}

/// Another number in place of one.
fn number(input: &[u8], random: &mut Random) -> Vec<u8> {
    let from = random.below(input.len());
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let Some(start) = input.iter().skip(from).position(is_digit).map(|at| from + at) else {
        return input.to_vec();
    };
    let end = input.iter().skip(start).position(|byte| !is_digit(byte)).map_or(input.len(), |at| start + at);
    let number = random.one_of(&NUMBERS).unwrap_or_default();
    [&input[..start], number.as_bytes(), &input[end..]].concat()
}

/// A DER value: what it holds, or its bytes.
#[derive(Clone)]
enum Node {
    Leaf(u8, Vec<u8>),
    Tree(u8, Vec<Node>),
}

fn der(input: &[u8], random: &mut Random) -> Vec<u8> {
    let Some(mut nodes) = read(input, 0) else { return bytes(input.to_vec(), input, random) };
    let count = nodes.iter().map(Node::count).sum();
    let donor = nth(&nodes, &mut random.below(count)).cloned();
    change(&mut nodes, &mut random.below(count), donor, random);
    nodes.iter().flat_map(Node::write).collect()
}

fn read(mut rest: &[u8], depth: usize) -> Option<Vec<Node>> {
    let mut nodes = Vec::new();
    while let [tag, length, after @ ..] = rest {
        let (bytes, after) = match *length {
            short @ 0..=0x7f => (usize::from(short), after),
            0x81 => (usize::from(*after.first()?), after.get(1..)?),
            0x82 => (usize::from(u16::from_be_bytes(*after.first_chunk()?)), after.get(2..)?),
            _ => return None,
        };
        let (value, after) = after.split_at_checked(bytes)?;
        // Octet and bit strings often hold DER of their own.
        let nested = depth < DEPTH && !value.is_empty() && (tag & 0x20 != 0 || *tag == 4);
        let children = if nested { read(value, depth + 1) } else { None };
        nodes
            .push(children.map_or_else(|| Node::Leaf(*tag, value.to_vec()), |nodes| Node::Tree(*tag, nodes)));
        rest = after;
    }
    rest.is_empty().then_some(nodes)
}

impl Node {
    fn count(&self) -> usize {
        match self {
            Self::Leaf(..) => 1,
            Self::Tree(_, nodes) => 1 + nodes.iter().map(Self::count).sum::<usize>(),
        }
    }

    fn write(&self) -> Vec<u8> {
        let (tag, value) = match self {
            Self::Leaf(tag, value) => (*tag, value.clone()),
            Self::Tree(tag, nodes) => (*tag, nodes.iter().flat_map(Self::write).collect()),
        };
        let [.., high, low] = value.len().to_be_bytes();
        let head = match value.len() {
            0..0x80 => vec![tag, low],
            0x80..0x100 => vec![tag, 0x81, low],
            _ => vec![tag, 0x82, high, low],
        };
        [head, value].concat()
    }
}

fn nth<'a>(nodes: &'a [Node], place: &mut usize) -> Option<&'a Node> {
    for node in nodes {
        if *place == 0 {
            return Some(node);
        }
        *place -= 1;
        if let Node::Tree(_, nodes) = node
            && let Some(found) = nth(nodes, place)
        {
            return Some(found);
        }
    }
    None
}

/// Changes the node at a place; whether it was found.
fn change(nodes: &mut Vec<Node>, place: &mut usize, donor: Option<Node>, random: &mut Random) -> bool {
    for at in 0..nodes.len() {
        if *place == 0 {
            match (random.below(6), donor) {
                (0, _) => drop(nodes.remove(at)),
                (1, _) => nodes.insert(at, nodes[at].clone()),
                (2, Some(donor)) => nodes[at] = donor,
                (3, Some(donor)) => nodes.insert(at, donor),
                (4, _) => {
                    let (Node::Leaf(tag, _) | Node::Tree(tag, _)) = &mut nodes[at];
                    *tag ^= 1 << random.below(8);
                }
                _ => {
                    let written = nodes[at].write();
                    let value = match &nodes[at] {
                        Node::Leaf(_, value) => value.clone(),
                        Node::Tree(..) => written.get(2..).unwrap_or_default().to_vec(),
                    };
                    nodes[at] = Node::Leaf(written[0], bytes(value, &written, random));
                }
            }
            return true;
        }
        *place -= 1;
        if let Node::Tree(_, children) = &mut nodes[at]
            && change(children, place, donor.clone(), random)
        {
            return true;
        }
    }
    false
}
