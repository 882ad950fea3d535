use super::LabelSlice;

/// A stretch of one row: columns `start` to before `end`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Run {
    pub slice: u32,
    pub row: u32,
    pub start: u32,
    pub end: u32,
}

impl Run {
    pub(super) fn len(self) -> u32 {
        self.end - self.start
    }
}

/// The voxels of a volume for which something holds, as runs in (slice, row, column) order.
///
/// A liver of three million voxels is a hundred thousand runs, so what works on runs costs little
/// more than reading the labels once.
pub(super) struct Runs {
    pub all: Vec<Run>,
    /// Where the runs of each row of each slice begin in `all`, and one end.
    begins: Vec<usize>,
    rows: usize,
}

/// Which voxels of neighbouring rows touch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Connectivity {
    /// The four face neighbours within a slice.
    FacesInSlice,
    /// All 26 neighbours.
    Corners,
}

impl Runs {
    /// The stretches of labels for which `belongs` holds; it must not hold for background.
    pub(super) fn of(slices: &[LabelSlice], belongs: impl Fn(u8) -> bool) -> Self {
        let mut runs = Self::builder(slices.first().map_or(0, |slice| slice.dim().0));
        for (slice, labels) in slices.iter().enumerate() {
            for (row, column, line) in labels.stretches() {
                runs.begin(slice * runs.rows + row);
                let mut at = skip_background(line, 0);
                while at < line.len() {
                    let start = at;
                    while at < line.len() && belongs(line[at]) {
                        at += 1;
                    }
                    if at > start {
                        runs.push(slice, row, column + start, column + at);
                    } else {
                        at += 1;
                    }
                    at = skip_background(line, at);
                }
            }
        }
        runs.begins.resize(slices.len() * runs.rows, runs.all.len());
        runs.finish()
    }

    /// What comes next is in this row, counted over all slices; the rows passed over have nothing.
    fn begin(&mut self, row: usize) {
        self.begins.resize(row + 1, self.all.len());
    }

    /// What these runs leave free of each slice, inside the rectangle that just holds them.
    pub(super) fn gaps_in_rectangle(&self, slices: usize) -> (Self, Vec<Rectangle>) {
        let mut gaps = Self::builder(self.rows);
        let mut rectangles = Vec::with_capacity(slices);
        for slice in 0..slices {
            let runs = self.slice(slice);
            let rectangle = Rectangle {
                rows: [
                    runs.first().map_or(0, |run| run.row),
                    runs.last().map_or(0, |run| run.row),
                ],
                columns: [
                    runs.iter().map(|run| run.start).min().unwrap_or(0),
                    runs.iter().map(|run| run.end).max().unwrap_or(0),
                ],
            };
            let [first, last] = rectangle.rows.map(|row| row as usize);
            for row in 0..self.rows {
                gaps.begins.push(gaps.all.len());
                if runs.is_empty() || !(first..=last).contains(&row) {
                    continue;
                }
                let mut free = rectangle.columns[0] as usize;
                for run in self.row(slice, row) {
                    if run.start as usize > free {
                        gaps.push(slice, row, free, run.start as usize);
                    }
                    free = run.end as usize;
                }
                if rectangle.columns[1] as usize > free {
                    gaps.push(slice, row, free, rectangle.columns[1] as usize);
                }
            }
            rectangles.push(rectangle);
        }
        (gaps.finish(), rectangles)
    }

    pub(super) fn slice(&self, slice: usize) -> &[Run] {
        let first = slice * self.rows;
        &self.all[self.begins[first]..self.begins[first + self.rows]]
    }

    pub(super) fn row(&self, slice: usize, row: usize) -> &[Run] {
        let row = slice * self.rows + row;
        &self.all[self.begins[row]..self.begins[row + 1]]
    }

    /// How many voxels of a run belong to these runs.
    pub(super) fn overlap(&self, run: Run) -> u32 {
        let row = self.row(run.slice as usize, run.row as usize).iter();
        row.map(|own| {
            own.end
                .min(run.end)
                .saturating_sub(own.start.max(run.start))
        })
        .sum()
    }

    /// For each run, the number of its component; components are numbered by their first run.
    pub(super) fn components(&self, connectivity: Connectivity) -> Components {
        let mut forest = Forest::of(self.all.len());
        let slices = self.begins.len().saturating_sub(1).checked_div(self.rows);
        for slice in 0..slices.unwrap_or(0) {
            for row in 0..self.rows {
                if row > 0 {
                    self.join(&mut forest, (slice, row), (slice, row - 1), connectivity);
                }
                if connectivity == Connectivity::Corners && slice > 0 {
                    for beside in row.saturating_sub(1)..=(row + 1).min(self.rows - 1) {
                        self.join(&mut forest, (slice, row), (slice - 1, beside), connectivity);
                    }
                }
            }
        }
        forest.into_components()
    }

    /// Joins the runs of two rows that touch; both are sorted, so one pass finds all.
    fn join(
        &self,
        forest: &mut Forest,
        (slice, row): (usize, usize),
        (other_slice, other_row): (usize, usize),
        connectivity: Connectivity,
    ) {
        let diagonal = u32::from(connectivity == Connectivity::Corners);
        let here = self.begins[slice * self.rows + row];
        let there = self.begins[other_slice * self.rows + other_row];
        let (a, b) = (self.row(slice, row), self.row(other_slice, other_row));
        let (mut i, mut j) = (0, 0);
        while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
            if x.start < y.end + diagonal && y.start < x.end + diagonal {
                forest.join(here + i, there + j);
            }
            if x.end < y.end {
                i += 1;
            } else {
                j += 1;
            }
        }
    }

    fn builder(rows: usize) -> Self {
        Self {
            all: Vec::new(),
            begins: Vec::new(),
            rows,
        }
    }

    fn push(&mut self, slice: usize, row: usize, start: usize, end: usize) {
        self.all.push(Run {
            slice: slice as u32,
            row: row as u32,
            start: start as u32,
            end: end as u32,
        });
    }

    fn finish(mut self) -> Self {
        self.begins.push(self.all.len());
        self
    }
}

/// First and last row; first column and the one behind the last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Rectangle {
    pub rows: [u32; 2],
    pub columns: [u32; 2],
}

impl Rectangle {
    /// Whether a run lies along the rectangle's edge.
    pub(super) fn is_touched_by(self, run: Run) -> bool {
        self.rows.contains(&run.row) || run.start == self.columns[0] || run.end == self.columns[1]
    }
}

/// Most of every slice is background: look at 16 voxels at once.
pub(super) fn skip_background(line: &[u8], mut at: usize) -> usize {
    while let Some(block) = line.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        let voxels = u128::from_le_bytes(*block);
        if voxels != 0 {
            return at + voxels.trailing_zeros() as usize / 8;
        }
        at += 16;
    }
    line[at..]
        .iter()
        .position(|&label| label != 0)
        .map_or(line.len(), |ahead| at + ahead)
}

/// Which component each run belongs to.
pub(super) struct Components {
    pub of_run: Vec<u32>,
    pub count: usize,
}

/// Union-find with path halving.
struct Forest {
    parents: Vec<u32>,
}

impl Forest {
    fn of(runs: usize) -> Self {
        Self {
            parents: (0..runs as u32).collect(),
        }
    }

    fn root(&mut self, run: usize) -> u32 {
        let mut at = run as u32;
        loop {
            let parent = self.parents[at as usize];
            if parent == at {
                return at;
            }
            let grandparent = self.parents[parent as usize];
            self.parents[at as usize] = grandparent;
            at = grandparent;
        }
    }

    /// The earlier root stays a root, so components are numbered in the order of their first runs.
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b) as usize] = a.min(b);
    }

    fn into_components(mut self) -> Components {
        let mut of_run = vec![0; self.parents.len()];
        let mut count = 0;
        for run in 0..of_run.len() {
            let root = self.root(run) as usize;
            if root == run {
                of_run[run] = count;
                count += 1;
            } else {
                of_run[run] = of_run[root];
            }
        }
        Components {
            of_run,
            count: count as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ndarray::Array3;
    use proptest::prelude::*;

    use super::*;

    fn slices(volume: &Array3<u8>) -> Vec<LabelSlice> {
        let whole = volume.outer_iter().map(|slice| slice.to_owned());
        whole.map(LabelSlice::from).collect()
    }

    /// Component sizes by flooding voxel by voxel.
    fn flooded(volume: &Array3<u8>, connectivity: Connectivity) -> Vec<usize> {
        let (depth, rows, columns) = volume.dim();
        let touch = |step: [i32; 3]| match connectivity {
            Connectivity::Corners => true,
            Connectivity::FacesInSlice => step[0] == 0 && step[1].abs() + step[2].abs() == 1,
        };
        let steps: Vec<[i32; 3]> = (0..27)
            .map(|i| [i / 9 - 1, i / 3 % 3 - 1, i % 3 - 1])
            .filter(|step| touch(*step))
            .collect();
        let mut seen = Array3::from_elem(volume.dim(), false);
        let mut sizes = Vec::new();
        for (start, label) in volume.indexed_iter() {
            if *label == 0 || seen[start] {
                continue;
            }
            let (mut open, mut size) = (vec![start], 0);
            seen[start] = true;
            while let Some((s, r, c)) = open.pop() {
                size += 1;
                for [ds, dr, dc] in &steps {
                    let next = (
                        s.wrapping_add_signed(*ds as isize),
                        r.wrapping_add_signed(*dr as isize),
                        c.wrapping_add_signed(*dc as isize),
                    );
                    let inside = next.0 < depth && next.1 < rows && next.2 < columns;
                    if inside && volume[next] != 0 && !seen[next] {
                        seen[next] = true;
                        open.push(next);
                    }
                }
            }
            sizes.push(size);
        }
        sizes
    }

    fn by_runs(volume: &Array3<u8>, connectivity: Connectivity) -> Vec<usize> {
        let runs = Runs::of(&slices(volume), |label| label != 0);
        let components = runs.components(connectivity);
        let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
        for (run, component) in runs.all.iter().zip(&components.of_run) {
            *sizes.entry(*component).or_default() += run.len() as usize;
        }
        assert_eq!(sizes.len(), components.count);
        sizes.into_values().collect()
    }

    proptest! {
        #[test]
        fn components_by_runs_are_those_of_flooding_voxel_by_voxel(
            voxels in prop::collection::vec(prop::sample::select(vec![0_u8, 0, 0, 1, 2]), 4 * 7 * 37)
        ) {
            let volume = Array3::from_shape_vec((4, 7, 37), voxels).unwrap();
            for connectivity in [Connectivity::Corners, Connectivity::FacesInSlice] {
                prop_assert_eq!(
                    by_runs(&volume, connectivity),
                    flooded(&volume, connectivity)
                );
            }
        }

        #[test]
        fn runs_hold_exactly_the_voxels_that_belong(
            voxels in prop::collection::vec(0_u8..3, 2 * 3 * 50)
        ) {
            let volume = Array3::from_shape_vec((2, 3, 50), voxels).unwrap();
            let mut painted = Array3::<u8>::zeros(volume.dim());
            for run in Runs::of(&slices(&volume), |label| label == 2).all {
                for column in run.start..run.end {
                    painted[[run.slice as usize, run.row as usize, column as usize]] = 2;
                }
            }
            prop_assert_eq!(painted, volume.mapv(|label| if label == 2 { 2 } else { 0 }));
        }
    }

    #[test]
    fn a_volume_without_slices_has_no_runs() {
        let runs = Runs::of(&[], |label| label != 0);
        assert_eq!(runs.components(Connectivity::Corners).count, 0);
    }
}
