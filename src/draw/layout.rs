//! Places boxes in layers and leads arrows between them (Sugiyama's method): layers by longest path, order by medians, columns
//! by least squares. Must not know what is drawn: it takes sizes and gives points.

#![expect(clippy::indexing_slicing, reason = "every index is of a node, layer or link that this file made")]

use std::collections::VecDeque;

/// A width and a height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Size {
    pub(super) w: f64,
    pub(super) h: f64,
}

/// A point, from the upper left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Where everything is.
pub(super) struct Layout {
    /// Of the whole.
    pub(super) size: Size,
    /// Centres of the boxes.
    pub(super) boxes: Vec<Point>,
    /// For each link the points that it passes, in its own direction: straight down between the two of a pair.
    pub(super) paths: Vec<Vec<Point>>,
    /// For each link the centre of its label.
    pub(super) labels: Vec<Point>,
}

const GAP_X: f64 = 26.0;
const GAP_Y: f64 = 20.0;
const MARGIN: f64 = 24.0;
const SWEEPS: usize = 24;

/// A box, or a place in a layer that a link passes.
struct Place {
    size: Size,
    layer: usize,
    /// Neighbours in the layer above, and below.
    up: Vec<usize>,
    down: Vec<usize>,
    real: bool,
}

/// Places boxes of those sizes, with links `(from, to, size of the label)`. Box 0 is at the top.
pub(super) fn place(boxes: &[Size], links: &[(usize, usize, Size)]) -> Layout {
    let forward = break_cycles(boxes.len(), links);
    let layer_of = layers(boxes.len(), &forward);
    let mut places: Vec<Place> = boxes
        .iter()
        .zip(&layer_of)
        .map(|(size, layer)| Place { size: *size, layer: *layer, up: Vec::new(), down: Vec::new(), real: true })
        .collect();
    let chains: Vec<Vec<usize>> = forward.iter().zip(links).map(|(ends, link)| chain(&mut places, *ends, link.2)).collect();
    let mut order = initial_order(&places);
    reduce_crossings(&places, &mut order);
    let xs = columns(&places, &order);
    let ys = rows(&places, &order);
    draw(&places, &chains, &forward, links, &xs, &ys)
}

/// Each link in a direction that leaves no cycle; a link of a box to itself stays as it is.
fn break_cycles(n: usize, links: &[(usize, usize, Size)]) -> Vec<(usize, usize)> {
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (i, link) in links.iter().enumerate() {
        out[link.0].push(i);
    }
    let mut forward: Vec<(usize, usize)> = links.iter().map(|l| (l.0, l.1)).collect();
    // 0: not seen, 1: on the path, 2: left.
    let mut mark = vec![0u8; n];
    for root in 0..n {
        if mark[root] != 0 {
            continue;
        }
        mark[root] = 1;
        let mut path = vec![(root, 0)];
        while let Some((node, at)) = path.last_mut() {
            let Some(&link) = out[*node].get(*at) else {
                mark[*node] = 2;
                path.pop();
                continue;
            };
            *at += 1;
            let (from, to) = (links[link].0, links[link].1);
            match mark[to] {
                0 => {
                    mark[to] = 1;
                    path.push((to, 0));
                }
                1 if from != to => forward[link] = (to, from),
                _ => {}
            }
        }
    }
    forward
}

/// The layer of each box: as far down as its longest way from the top. Labels stand in the odd layers.
fn layers(n: usize, forward: &[(usize, usize)]) -> Vec<usize> {
    let mut waits = vec![0usize; n];
    for (from, to) in forward.iter().filter(|(from, to)| from != to) {
        let _ = from;
        waits[*to] += 1;
    }
    let mut layer = vec![0usize; n];
    let mut ready: VecDeque<usize> = (0..n).filter(|i| waits[*i] == 0).collect();
    while let Some(node) = ready.pop_front() {
        for (from, to) in forward.iter().filter(|(from, to)| *from == node && from != to) {
            layer[*to] = layer[*to].max(layer[*from] + 2);
            waits[*to] -= 1;
            if waits[*to] == 0 {
                ready.push_back(*to);
            }
        }
    }
    layer
}

/// The places that a link passes, from its upper end to its lower one; its label is in the first layer below the upper end.
fn chain(places: &mut Vec<Place>, (from, to): (usize, usize), label: Size) -> Vec<usize> {
    let mut chain = vec![from];
    if from == to {
        return chain;
    }
    for layer in places[from].layer + 1..places[to].layer {
        let first = chain.len() == 1;
        let size = if first { label } else { Size { w: 1.0, h: 1.0 } };
        places.push(Place { size, layer, up: Vec::new(), down: Vec::new(), real: false });
        chain.push(places.len() - 1);
    }
    chain.push(to);
    for pair in chain.windows(2) {
        places[pair[0]].down.push(pair[1]);
        places[pair[1]].up.push(pair[0]);
    }
    chain
}

/// Depth-first from the top, so that what belongs together starts together.
fn initial_order(places: &[Place]) -> Vec<Vec<usize>> {
    let depth = places.iter().map(|p| p.layer + 1).max().unwrap_or(0);
    let mut order = vec![Vec::new(); depth];
    let mut seen = vec![false; places.len()];
    for root in 0..places.len() {
        let mut stack = vec![root];
        while let Some(node) = stack.pop() {
            if std::mem::replace(&mut seen[node], true) {
                continue;
            }
            order[places[node].layer].push(node);
            stack.extend(places[node].down.iter().rev().filter(|n| !seen[**n]));
        }
    }
    order
}

fn reduce_crossings(places: &[Place], order: &mut Vec<Vec<usize>>) {
    let mut best = order.clone();
    let mut fewest = crossings(places, order);
    for sweep in 0..SWEEPS {
        let downwards = sweep % 2 == 0;
        let count = order.len();
        for step in 1..count {
            let layer = if downwards { step } else { count - 1 - step };
            let fixed = if downwards { layer - 1 } else { layer + 1 };
            let position = positions(places.len(), &order[fixed]);
            let mut keyed: Vec<(f64, usize)> = order[layer]
                .iter()
                .enumerate()
                .map(|(i, node)| {
                    let next = if downwards { &places[*node].up } else { &places[*node].down };
                    (mean(next.iter().map(|n| as_f64(position[*n]))).unwrap_or(as_f64(i)), *node)
                })
                .collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            order[layer] = keyed.into_iter().map(|(_, node)| node).collect();
        }
        let now = crossings(places, order);
        if now < fewest {
            fewest = now;
            best.clone_from(order);
        }
        if fewest == 0 {
            break;
        }
    }
    *order = best;
}

fn positions(n: usize, layer: &[usize]) -> Vec<usize> {
    let mut position = vec![0; n];
    for (i, node) in layer.iter().enumerate() {
        position[*node] = i;
    }
    position
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(s, c), v| (s + v, c + 1.0));
    (count > 0.0).then(|| sum / count)
}

fn crossings(places: &[Place], order: &[Vec<usize>]) -> usize {
    order.windows(2).map(|pair| between(places, &pair[0], &pair[1])).sum()
}

/// Crossings between two layers: inversions among the lower ends, counted by a Fenwick tree.
fn between(places: &[Place], upper: &[usize], lower: &[usize]) -> usize {
    let position = positions(places.len(), lower);
    let mut tree = vec![0usize; lower.len() + 1];
    let (mut total, mut crossed) = (0, 0);
    for node in upper {
        let mut ends: Vec<usize> = places[*node].down.iter().map(|n| position[*n]).collect();
        ends.sort_unstable();
        for end in &ends {
            let (mut i, mut not_after) = (end + 1, 0);
            while i > 0 {
                not_after += tree[i];
                i &= i - 1;
            }
            crossed += total - not_after;
        }
        for end in ends {
            let mut i = end + 1;
            while i < tree.len() {
                tree[i] += 1;
                i += i & i.wrapping_neg();
            }
            total += 1;
        }
    }
    crossed
}

/// Columns: each place as near to its neighbours as the order and the gaps in its layer allow.
fn columns(places: &[Place], order: &[Vec<usize>]) -> Vec<f64> {
    let mut xs = vec![0.0; places.len()];
    for layer in order {
        let mut x = 0.0;
        for node in layer {
            xs[*node] = x + places[*node].size.w / 2.0;
            x += places[*node].size.w + GAP_X;
        }
    }
    for sweep in 0..SWEEPS * 2 {
        let downwards = sweep % 2 == 0;
        let both = sweep >= SWEEPS * 2 - 4;
        for step in 0..order.len() {
            let layer = &order[if downwards { step } else { order.len() - 1 - step }];
            let wanted: Vec<(f64, f64)> = layer
                .iter()
                .map(|node| {
                    let place = &places[*node];
                    let near: Vec<usize> = match (both, downwards) {
                        (true, _) => place.up.iter().chain(&place.down).copied().collect(),
                        (false, true) => place.up.clone(),
                        (false, false) => place.down.clone(),
                    };
                    // A long link wants to be straight more than a box wants to be in the middle.
                    let weight = |n: usize| if place.real || places[n].real { 1.0 } else { 8.0 };
                    let total: f64 = near.iter().map(|n| weight(*n)).sum();
                    if total == 0.0 { (xs[*node], 0.1) } else { (near.iter().map(|n| xs[*n] * weight(*n)).sum::<f64>() / total, total) }
                })
                .collect();
            for (node, x) in layer.iter().zip(spread(places, layer, &wanted)) {
                xs[*node] = x;
            }
        }
    }
    straighten(places, order, &mut xs);
    let left = places.iter().zip(&xs).map(|(p, x)| x - p.size.w / 2.0).fold(f64::INFINITY, f64::min);
    xs.iter().map(|x| x - left + MARGIN).collect()
}

/// Long links run straight as far as their neighbours in the layers leave room.
fn straighten(places: &[Place], order: &[Vec<usize>], xs: &mut [f64]) {
    let thin = |n: usize| !places[n].real && places[n].size.w <= 1.0;
    let room = |n: usize, xs: &[f64]| {
        let layer = &order[places[n].layer];
        let at = layer.iter().position(|m| *m == n).unwrap_or(0);
        let low = at.checked_sub(1).map_or(f64::NEG_INFINITY, |i| xs[layer[i]] + places[layer[i]].size.w / 2.0 + GAP_X * 0.6);
        let high = layer.get(at + 1).map_or(f64::INFINITY, |m| xs[*m] - places[*m].size.w / 2.0 - GAP_X * 0.6);
        (low.min(xs[n]), high.max(xs[n]))
    };
    let mut seen = vec![false; places.len()];
    for first in 0..places.len() {
        let (mut run, mut low, mut high, mut next) = (Vec::new(), f64::NEG_INFINITY, f64::INFINITY, Some(first));
        while let Some(node) = next.filter(|n| thin(*n) && !seen[*n]) {
            let (l, h) = room(node, xs);
            if low.max(l) > high.min(h) {
                settle(&mut run, low, high, xs);
                (low, high) = (l, h);
            } else {
                (low, high) = (low.max(l), high.min(h));
            }
            seen[node] = true;
            run.push(node);
            next = places[node].down.first().copied();
        }
        settle(&mut run, low, high, xs);
    }
}

/// Puts a run of places into one column between two bounds, as near to where they are as may be.
fn settle(run: &mut Vec<usize>, low: f64, high: f64, xs: &mut [f64]) {
    if let Some(x) = mean(run.iter().map(|n| xs[*n])) {
        for node in run.drain(..) {
            xs[node] = x.max(low).min(high);
        }
    }
}

/// The positions nearest to the wanted ones, by weighted least squares, that keep order and gaps (pool adjacent violators).
fn spread(places: &[Place], layer: &[usize], wanted: &[(f64, f64)]) -> Vec<f64> {
    let mut offsets = Vec::with_capacity(layer.len());
    let mut offset = 0.0;
    for (i, node) in layer.iter().enumerate() {
        if i > 0 {
            offset += f64::midpoint(places[layer[i - 1]].size.w, places[*node].size.w) + GAP_X;
        }
        offsets.push(offset);
    }
    // Blocks of (mean, weight, length): a block moves as one.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for ((want, weight), offset) in wanted.iter().zip(&offsets) {
        let mut block = (want - offset, *weight, 1);
        while let Some(last) = blocks.pop_if(|last| last.0 > block.0) {
            let weight = last.1 + block.1;
            block = ((last.0 * last.1 + block.0 * block.1) / weight, weight, last.2 + block.2);
        }
        blocks.push(block);
    }
    blocks.iter().flat_map(|(at, _, length)| std::iter::repeat_n(*at, *length)).zip(offsets).map(|(at, offset)| at + offset).collect()
}

/// The middle of each layer.
fn rows(places: &[Place], order: &[Vec<usize>]) -> Vec<(f64, f64)> {
    let mut y = MARGIN;
    order
        .iter()
        .map(|layer| {
            let height = layer.iter().map(|n| places[*n].size.h).fold(1.0, f64::max);
            let middle = y + height / 2.0;
            y += height + GAP_Y;
            (middle, height)
        })
        .collect()
}

fn draw(
    places: &[Place],
    chains: &[Vec<usize>],
    forward: &[(usize, usize)],
    links: &[(usize, usize, Size)],
    xs: &[f64],
    ys: &[(f64, f64)],
) -> Layout {
    let at = |node: usize| Point { x: xs[node], y: ys[places[node].layer].0 };
    let boxes = links.iter().flat_map(|l| [l.0, l.1]).chain(0..places.len()).filter(|n| places[*n].real).max().map_or(0, |n| n + 1);
    let mut paths = Vec::with_capacity(chains.len());
    let mut labels = Vec::with_capacity(chains.len());
    for ((chain, ends), link) in chains.iter().zip(forward).zip(links) {
        if link.0 == link.1 {
            let (middle, size) = (at(link.0), places[link.0].size);
            let (right, reach) = (middle.x + size.w / 2.0, GAP_X * 0.7);
            paths.push(vec![
                Point { x: right, y: middle.y - 8.0 },
                Point { x: right + reach, y: middle.y - 8.0 },
                Point { x: right + reach, y: middle.y + 8.0 },
                Point { x: right, y: middle.y + 8.0 },
            ]);
            labels.push(Point { x: right + reach, y: middle.y + 8.0 + link.2.h });
            continue;
        }
        let (upper, lower) = (chain[0], chain[chain.len() - 1]);
        let mut points = vec![port(places, xs, upper, chain[1], true, at(upper))];
        for node in &chain[1..chain.len() - 1] {
            let (middle, half) = (at(*node), ys[places[*node].layer].1 / 2.0);
            points.push(Point { x: middle.x, y: middle.y - half });
            points.push(Point { x: middle.x, y: middle.y + half });
        }
        points.push(port(places, xs, lower, chain[chain.len() - 2], false, at(lower)));
        if ends.0 != link.0 {
            points.reverse();
        }
        paths.push(points);
        labels.push(at(chain[1]));
    }
    let size = Size {
        w: (0..places.len())
            .map(|n| xs[n] + places[n].size.w / 2.0)
            .chain(labels.iter().zip(links).map(|(at, l)| at.x + l.2.w / 2.0))
            .fold(0.0, f64::max)
            + MARGIN,
        h: ys.last().map_or(0.0, |(y, h)| y + h / 2.0) + MARGIN,
    };
    Layout { size, boxes: (0..boxes).map(at).collect(), paths, labels }
}

/// Where a link meets a box: its links share the side in the order of their other ends.
fn port(places: &[Place], xs: &[f64], node: usize, other: usize, below: bool, middle: Point) -> Point {
    let place = &places[node];
    let mut side: Vec<usize> = if below { place.down.clone() } else { place.up.clone() };
    side.sort_by(|a, b| xs[*a].total_cmp(&xs[*b]));
    let index = side.iter().position(|n| *n == other).unwrap_or(0);
    let step = (place.size.w * 0.7 / as_f64(side.len())).min(24.0);
    let x = middle.x + (as_f64(index) - (as_f64(side.len()) - 1.0) / 2.0) * step;
    Point { x, y: middle.y + if below { place.size.h / 2.0 } else { -place.size.h / 2.0 } }
}

fn as_f64(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}
