//! The scanner: from structures to Hounsfield units on planes, with the blur and noise of a real
//! one, and the label of every voxel's centre.
//!
//! A plane is painted in blocks. Where a structure's distance at the middle of a block says that
//! no pixel can be near its surface, the block is settled at once.

use std::{num::NonZero, sync::Mutex, thread};

use ndarray::{Array3, ArrayViewMut2};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use super::{
    anatomy::Anatomy,
    shape::{Point, SLACK, add, scaled},
    spec::{HIGHEST_HU, LOWEST_HU, PhantomSpec, Stacking},
    structure::{AIR, Frame, Label, Structure},
    texture::{Warp, gaussian},
};
use crate::dicom::{Plane, vector::cross};

/// The planes of the stack, ascending along their normal, missing slices left out.
pub fn planes(spec: &PhantomSpec, centre: Point) -> Vec<Plane> {
    let (sin, cos) = spec.inclination.to_radians().sin_cos();
    let inclined = |[x, y, z]: [f64; 3]| [x, cos * y - sin * z, sin * y + cos * z].map(fine);
    let [row, column] = spec.orientation.cosines().map(inclined);
    let normal = cross(row, column);
    let step = match spec.stacking {
        Stacking::AlongNormal => normal,
        Stacking::AlongTable => [0.0, 0.0, normal[2].signum()],
    };
    let spacing = spec.pixel_spacing().map(|mm| (mm * 1e6).round() / 1e6);
    let middle = |count: usize| (count - 1) as f64 / 2.0;
    spec.kept_slices()
        .map(|slice| {
            let along = (slice as f64 - middle(spec.slices)) * spec.slice_spacing;
            let across = middle(spec.columns) * spacing[1];
            let down = middle(spec.rows) * spacing[0];
            let position = [0, 1, 2].map(|i| {
                let mm =
                    f64::from(centre[i]) + along * step[i] - across * row[i] - down * column[i];
                (mm * 1e4).round() / 1e4
            });
            Plane {
                position,
                row_cosines: row,
                column_cosines: column,
                pixel_spacing: spacing,
            }
        })
        .collect()
}

/// Size of a voxel between slices, rows and columns, in mm. Sheared planes are closer to each other
/// than the table step.
pub fn spacing_mm(spec: &PhantomSpec, plane: &Plane) -> [f64; 3] {
    let apart = match spec.stacking {
        Stacking::AlongNormal => spec.slice_spacing,
        Stacking::AlongTable => {
            let normal = cross(plane.row_cosines, plane.column_cosines);
            spec.slice_spacing * normal[2].abs()
        }
    };
    [apart, plane.pixel_spacing[0], plane.pixel_spacing[1]]
}

/// Scans every plane. Returns HU and labels as [slice, row, column]; labels are 0 background,
/// 1 liver, 2 + n the n-th tumour.
pub fn scan(anatomy: &Anatomy, spec: &PhantomSpec, planes: &[Plane]) -> (Array3<i16>, Array3<u8>) {
    let shape = (planes.len(), spec.rows, spec.columns);
    let (mut volume, mut labels) = (Array3::zeros(shape), Array3::zeros(shape));
    let slices = spec
        .kept_slices()
        .zip(planes)
        .zip(volume.outer_iter_mut().zip(labels.outer_iter_mut()));
    let work = Mutex::new(slices);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads.min(planes.len()) {
            scope.spawn(|| {
                let mut canvas = Canvas::new(spec.rows, spec.columns);
                loop {
                    let next = work.lock().ok().and_then(|mut slices| slices.next());
                    let Some(((slice, plane), (hu, label))) = next else {
                        break;
                    };
                    canvas.scan_slice(anatomy, spec, slice, plane, hu, label);
                }
            });
        }
    });
    drop(work);
    (volume, labels)
}

/// Working memory for one plane.
struct Canvas {
    rows: usize,
    columns: usize,
    /// Where each pixel is in the body as drawn, that is after the warp.
    points: Vec<Point>,
    hu: Vec<f32>,
    mean: Vec<f32>,
    scratch: Vec<f32>,
    labels: Vec<u8>,
    /// The structure that fills each pixel, by its place in the painting order.
    tops: Vec<usize>,
}

/// A plane as the painting loops want it.
#[derive(Clone, Copy)]
struct Grid {
    origin: Point,
    row_direction: Point,
    column_direction: Point,
    normal: Point,
    /// mm between rows and between columns.
    spacing: [f32; 2],
    /// Edge of a painting block in pixels: about 6 mm.
    block: usize,
}

impl Grid {
    fn of(plane: &Plane, offset_mm: f32) -> Self {
        let [row_direction, column_direction] =
            [plane.row_cosines, plane.column_cosines].map(|axis| axis.map(|x| x as f32));
        let normal = cross(plane.row_cosines, plane.column_cosines).map(|x| x as f32);
        let spacing = plane.pixel_spacing.map(|mm| mm as f32);
        Self {
            origin: add(
                plane.position.map(|mm| mm as f32),
                scaled(normal, offset_mm),
            ),
            row_direction,
            column_direction,
            normal,
            spacing,
            block: ((6.0 / spacing[0].max(spacing[1])) as usize).clamp(1, 8),
        }
    }

    fn point(&self, row: f32, column: f32) -> Point {
        let down = scaled(self.column_direction, row * self.spacing[0]);
        let across = scaled(self.row_direction, column * self.spacing[1]);
        add(self.origin, add(down, across))
    }
}

impl Canvas {
    fn new(rows: usize, columns: usize) -> Self {
        let pixels = rows * columns;
        Self {
            rows,
            columns,
            points: vec![[0.0; 3]; pixels],
            hu: vec![AIR; pixels],
            mean: vec![0.0; pixels],
            scratch: vec![0.0; pixels],
            labels: vec![0; pixels],
            tops: vec![NOTHING; pixels],
        }
    }

    fn scan_slice(
        &mut self,
        anatomy: &Anatomy,
        spec: &PhantomSpec,
        slice: usize,
        plane: &Plane,
        mut hu: ArrayViewMut2<'_, i16>,
        mut labels: ArrayViewMut2<'_, u8>,
    ) {
        // A thick slice is the mean of three thin ones; the middle one decides the labels.
        let thickness = spec.slice_thickness as f32;
        let offsets: &[f32] = if thickness > 1.5 {
            &[-1.0 / 3.0, 1.0 / 3.0, 0.0]
        } else {
            &[0.0]
        };
        self.mean.fill(0.0);
        for offset in offsets {
            let grid = Grid::of(plane, offset * thickness);
            self.draw(anatomy, &grid);
            for (mean, hu) in self.mean.iter_mut().zip(&self.hu) {
                *mean += hu / offsets.len() as f32;
            }
        }
        for (out, label) in labels.iter_mut().zip(&self.labels) {
            *out = *label;
        }
        let spacing = plane.pixel_spacing.map(|mm| mm as f32);
        let [rows, columns] = [self.rows, self.columns];
        blur(
            &mut self.mean,
            &mut self.scratch,
            [rows, columns],
            spacing,
            POINT_SPREAD_MM,
        );
        // The drawing is spent; its memory takes the noise.
        let mut rng = ChaCha8Rng::seed_from_u64(spec.seed);
        rng.set_stream(NOISE_STREAM + slice as u64);
        for noise in &mut self.hu {
            *noise = gaussian(rng.next_u32());
        }
        let kept = blur(
            &mut self.hu,
            &mut self.scratch,
            [rows, columns],
            spacing,
            GRAIN_MM,
        );
        let loudness = spec.noise_hu as f32 / kept;
        for ((out, image), noise) in hu.iter_mut().zip(&self.mean).zip(&self.hu) {
            // Less of it in air, where fewer photons were lost.
            let local = loudness * ((image - AIR) / 1000.0).clamp(0.4, 1.0);
            let value = (image + local * noise).round();
            *out = value.clamp(f32::from(LOWEST_HU), f32::from(HIGHEST_HU)) as i16;
        }
        if spec.rescale.padding.is_some() {
            for ((row, column), out) in hu.indexed_iter_mut() {
                if outside_field(row, column, [rows, columns], plane.pixel_spacing) {
                    *out = LOWEST_HU;
                }
            }
        }
    }

    fn draw(&mut self, anatomy: &Anatomy, grid: &Grid) {
        self.place(&anatomy.warp, grid);
        self.hu.fill(AIR);
        self.labels.fill(0);
        self.tops.fill(NOTHING);
        for (order, structure) in anatomy.structures.iter().enumerate() {
            self.paint(order, structure, grid, anatomy.warp.reach_mm());
        }
        for ((hu, top), p) in self.hu.iter_mut().zip(&self.tops).zip(&self.points) {
            if let Some(structure) = anatomy.structures.get(*top) {
                *hu += structure.fill.texture_hu(*p);
            }
        }
    }

    /// Looks up where every pixel lies in the body: exactly at the corners of blocks, linearly
    /// between them.
    fn place(&mut self, warp: &Warp, grid: &Grid) {
        let block = grid.block;
        let across = self.columns.div_ceil(block) + 1;
        let mut above = warped_row(warp, grid, 0, across);
        for top in (0..self.rows).step_by(block) {
            let below = warped_row(warp, grid, top + block, across);
            for row in top..(top + block).min(self.rows) {
                let v = (row - top) as f32 / block as f32;
                let line = &mut self.points[row * self.columns..(row + 1) * self.columns];
                for (cell, pixels) in line.chunks_mut(block).enumerate() {
                    let start = mixed(above[cell], below[cell], v);
                    let end = mixed(above[cell + 1], below[cell + 1], v);
                    for (u, pixel) in pixels.iter_mut().enumerate() {
                        *pixel = mixed(start, end, u as f32 / block as f32);
                    }
                }
            }
            above = below;
        }
    }

    fn paint(&mut self, order: usize, structure: &Structure, grid: &Grid, warp_mm: f32) {
        let aside = match structure.frame {
            Frame::Patient => warp_mm * 1.8,
            Frame::Scanner => 0.0,
        };
        let bounds = structure.bounds.grown(aside + structure.edge_mm);
        let through = bounds.along(grid.origin, grid.normal);
        if through[0] > 0.0 || through[1] < 0.0 {
            return;
        }
        let range = |direction: Point, spacing: f32, count: usize| {
            let [low, high] = bounds.along(grid.origin, direction);
            let first = (low / spacing).floor().max(0.0) as usize / grid.block * grid.block;
            let last = ((high / spacing).ceil() + 1.0).clamp(0.0, count as f32) as usize;
            (first, last)
        };
        let (top, bottom) = range(grid.column_direction, grid.spacing[0], self.rows);
        let (left, right) = range(grid.row_direction, grid.spacing[1], self.columns);
        // How far from its middle a block can still meet the surface.
        let [high, wide] = grid.spacing.map(|mm| mm * grid.block as f32);
        let near = 0.5 * high.hypot(wide) * SLACK + 0.5 * structure.edge_mm;
        for row in (top..bottom).step_by(grid.block) {
            for column in (left..right).step_by(grid.block) {
                let end = [
                    (row + grid.block).min(self.rows),
                    (column + grid.block).min(self.columns),
                ];
                self.paint_block(order, structure, grid, [row, column], end, near);
            }
        }
    }

    fn paint_block(
        &mut self,
        order: usize,
        structure: &Structure,
        grid: &Grid,
        [top, left]: [usize; 2],
        [bottom, right]: [usize; 2],
        near: f32,
    ) {
        let middle = self.point(structure, grid, top.midpoint(bottom), left.midpoint(right));
        let distance = structure.shape.distance(middle);
        if distance > near {
            return;
        }
        let deep = distance < -near;
        for row in top..bottom {
            for column in left..right {
                let p = self.point(structure, grid, row, column);
                let share = if deep {
                    1.0
                } else {
                    0.5 - structure.shape.distance(p) / structure.edge_mm
                };
                if share <= 0.0 {
                    continue;
                }
                let pixel = row * self.columns + column;
                let hu = &mut self.hu[pixel];
                *hu += share.min(1.0) * (structure.fill.mean_hu(p) - *hu);
                if share >= 0.5 {
                    self.tops[pixel] = order;
                    match structure.label {
                        Label::Background => self.labels[pixel] = 0,
                        Label::Liver => self.labels[pixel] = 1,
                        Label::Tumour(index) => self.labels[pixel] = 2 + index,
                        Label::Surroundings => {}
                    }
                }
            }
        }
    }

    fn point(&self, structure: &Structure, grid: &Grid, row: usize, column: usize) -> Point {
        match structure.frame {
            Frame::Patient => self.points[row * self.columns + column],
            Frame::Scanner => grid.point(row as f32, column as f32),
        }
    }
}

/// Whether a pixel lies outside the round field of view inscribed in the image.
pub fn outside_field(
    row: usize,
    column: usize,
    [rows, columns]: [usize; 2],
    spacing: [f64; 2],
) -> bool {
    let off = |index: usize, count: usize, mm: f64| (index as f64 - (count - 1) as f64 / 2.0) * mm;
    let radius = (rows as f64 * spacing[0]).min(columns as f64 * spacing[1]) / 2.0;
    off(row, rows, spacing[0]).hypot(off(column, columns, spacing[1])) > radius
}

fn warped_row(warp: &Warp, grid: &Grid, row: usize, count: usize) -> Vec<Point> {
    (0..count)
        .map(|cell| warp.apply(grid.point(row as f32, (cell * grid.block) as f32)))
        .collect()
}

fn mixed(a: Point, b: Point, t: f32) -> Point {
    [0, 1, 2].map(|i| a[i] + t * (b[i] - a[i]))
}

/// Gaussian blur of `sigma_mm`, row-wise and column-wise. Returns the factor by which it reduces
/// the deviation of white noise.
fn blur(
    image: &mut [f32],
    scratch: &mut [f32],
    [rows, columns]: [usize; 2],
    spacing: [f32; 2],
    sigma_mm: f32,
) -> f32 {
    let [down, across] = spacing.map(|mm| kernel(sigma_mm / mm));
    let reach = across.len() / 2;
    for (line, out) in image.chunks(columns).zip(scratch.chunks_mut(columns)) {
        for (column, out) in out.iter_mut().enumerate() {
            *out = if column >= reach && column + reach < columns {
                let window = &line[column - reach..=column + reach];
                window.iter().zip(&across).map(|(x, w)| x * w).sum()
            } else {
                let at = |tap: usize| (column + tap).saturating_sub(reach).min(columns - 1);
                across
                    .iter()
                    .enumerate()
                    .map(|(tap, w)| w * line[at(tap)])
                    .sum()
            };
        }
    }
    let reach = down.len() / 2;
    for (row, out) in image.chunks_mut(columns).enumerate() {
        out.fill(0.0);
        for (tap, weight) in down.iter().enumerate() {
            let from = (row + tap).saturating_sub(reach).min(rows - 1);
            let line = &scratch[from * columns..(from + 1) * columns];
            for (out, x) in out.iter_mut().zip(line) {
                *out += weight * x;
            }
        }
    }
    let energy = |weights: &[f32]| weights.iter().map(|w| w * w).sum::<f32>().sqrt();
    energy(&down) * energy(&across)
}

/// Normalised Gaussian weights; a single 1 where the blur is finer than the pixels.
fn kernel(sigma: f32) -> Vec<f32> {
    let reach = if sigma < 0.3 {
        0
    } else {
        (2.5 * sigma).ceil() as i32
    };
    let weights: Vec<f32> = (-reach..=reach)
        .map(|tap| (-0.5 * (tap as f32 / sigma.max(0.3)).powi(2)).exp())
        .collect();
    let sum: f32 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// As many digits as fit a DICOM decimal string with sign.
fn fine(x: f64) -> f64 {
    (x * 1e10).round() / 1e10
}

/// No structure has this place.
const NOTHING: usize = usize::MAX;
const POINT_SPREAD_MM: f32 = 0.6;
/// The grain of a soft-tissue kernel.
const GRAIN_MM: f32 = 0.75;
/// Above every stream the anatomy uses.
const NOISE_STREAM: u64 = 1 << 32;
