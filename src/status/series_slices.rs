//! The slices of a series as pictures with the outlines of liver and tumour on them.
//!
//! Made when they are looked at, from the instances in the spool and the segmentation among the
//! results; nothing is stored. What a look costs is bounded: one picture is made at a time, off the
//! async runtime, and what is known of the series last looked at is kept as outlines only.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use ndarray::Array2;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{
    access::Viewer,
    server::{PageError, Pages, off_runtime},
};
use crate::{
    dicom::{
        Uid,
        vector::{norm, sub},
    },
    encode::{EdgePixel, Segmentation, Window, edges, picture},
    series::{InstanceHeader, is_slice},
    spool::journal::{InstanceRecord, SeriesRecord},
    volume::{self, FrameRef, FrameSource},
};

/// The slices of one series in their order, and the edges of its labels.
pub(super) struct Slices {
    pub order: Vec<FrameRef>,
    headers: HashMap<Uid, InstanceHeader>,
    /// By slice; slices without labels are left out.
    edges: HashMap<usize, Vec<EdgePixel>>,
    /// The slice with most tumour, else with most liver, else the middle one.
    pub shown_first: usize,
}

/// What of a series decides how its slices look.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Version {
    series: Uid,
    instances: u32,
    revision: u32,
    finished: bool,
}

/// The series last looked at, and the permission to make a picture.
pub struct Viewed {
    recent: Mutex<VecDeque<(Version, Arc<Slices>)>>,
    turn: Arc<Semaphore>,
}

/// Series that are kept ready: as many readers may look at different ones without a wait.
const RECENT: usize = 4;

impl Default for Viewed {
    fn default() -> Self {
        Self {
            recent: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

/// Two planes this close are the same one, mm.
const SAME_PLANE_MM: f64 = 0.01;

impl Slices {
    /// Reads what the journal and the results know; may take a second for a long series.
    pub(super) fn of(pages: &Pages, record: &SeriesRecord) -> Result<Arc<Self>, PageError> {
        let version = Version {
            series: record.series.clone(),
            instances: record.instances_received,
            revision: record.revision,
            finished: record.finished_at.is_some() || record.summary.liver_ml.is_some(),
        };
        let recent = || {
            let recent = pages.viewed.recent.lock();
            recent.unwrap_or_else(PoisonError::into_inner)
        };
        if let Some((_, slices)) = recent().iter().find(|(known, _)| *known == version) {
            return Ok(Arc::clone(slices));
        }
        let slices = Arc::new(Self::read(pages, record)?);
        let mut recent = recent();
        recent.retain(|(known, _)| known.series != version.series);
        recent.push_front((version, Arc::clone(&slices)));
        recent.truncate(RECENT);
        Ok(slices)
    }

    fn read(pages: &Pages, record: &SeriesRecord) -> Result<Self, PageError> {
        let instances = pages.journal.instances_of(&record.series)?;
        let headers: Vec<InstanceHeader> = instances.into_iter().filter_map(header_of).collect();
        let (order, labels) = match volume::arrange(&headers) {
            Ok(stack) => {
                let position = |slice| stack.geometry.slice_position(slice);
                let labels = labels(pages, record, stack.order.len(), position);
                (stack.order, labels)
            }
            // No volume, and so no labels; what came can be looked at all the same.
            Err(_) => (by_number(&headers), HashMap::new()),
        };
        let most = |label: u8| {
            let counts = labels.iter().map(|(slice, labels)| {
                let count = labels.iter().filter(|found| **found == label).count();
                (count, std::cmp::Reverse(*slice))
            });
            let most = counts.filter(|(count, _)| *count > 0).max();
            most.map(|(_, std::cmp::Reverse(slice))| slice)
        };
        Ok(Self {
            shown_first: most(2).or_else(|| most(1)).unwrap_or(order.len() / 2),
            edges: labels
                .iter()
                .map(|(slice, labels)| (*slice, edges(labels)))
                .collect(),
            headers: headers
                .into_iter()
                .map(|header| (header.sop_instance.clone(), header))
                .collect(),
            order,
        })
    }
}

fn header_of(record: InstanceRecord) -> Option<InstanceHeader> {
    serde_json::from_value(record.header?).ok()
}

/// Slices that are no stack, in the scanner's own order.
fn by_number(headers: &[InstanceHeader]) -> Vec<FrameRef> {
    let mut numbered: Vec<_> = headers
        .iter()
        .flat_map(|header| {
            let frames = header.frames.iter().enumerate();
            let slices = frames.filter(|(_, frame)| is_slice(header, frame));
            slices.map(|(frame, _)| {
                let sop_instance = header.sop_instance.clone();
                let place = (header.instance_number, frame, sop_instance.clone());
                (
                    place,
                    FrameRef {
                        sop_instance,
                        frame,
                    },
                )
            })
        })
        .collect();
    numbered.sort_by(|a, b| a.0.cmp(&b.0));
    numbered.into_iter().map(|(_, slice)| slice).collect()
}

/// The label maps of the last result, by slice; none for a series without one.
fn labels(
    pages: &Pages,
    record: &SeriesRecord,
    slices: usize,
    position: impl Fn(usize) -> [f64; 3],
) -> HashMap<usize, Array2<u8>> {
    let mut labels = HashMap::new();
    let path = pages.result_path(record, "seg.dcm");
    let Some(seg) = std::fs::read(path)
        .ok()
        .and_then(|file| Segmentation::read(&file).ok())
    else {
        return labels;
    };
    for frame in seg.frames {
        let found =
            (0..slices).find(|slice| norm(sub(position(*slice), frame.position)) < SAME_PLANE_MM);
        let Some(slice) = found else { continue };
        let map = labels
            .entry(slice)
            .or_insert_with(|| Array2::zeros((seg.rows, seg.columns)));
        let label = u8::try_from(frame.segment).unwrap_or(u8::MAX);
        for (pixel, inside) in map.iter_mut().zip(frame.mask) {
            if inside {
                *pixel = label;
            }
        }
    }
    labels
}

#[derive(Deserialize)]
pub(super) struct Look {
    window: Option<String>,
}

/// `/series/{id}/slices/{n}.png?window=liver`; slices count from 1, from the feet on.
pub(super) async fn slice_picture(
    State(pages): State<Arc<Pages>>,
    Path((id, file)): Path<(String, String)>,
    Query(look): Query<Look>,
    viewer: Viewer,
) -> Result<Response, PageError> {
    let series = Uid::parse(&id).map_err(|_| PageError::NoSuchSeries)?;
    let number = file
        .strip_suffix(".png")
        .and_then(|n| n.parse::<usize>().ok());
    let slice = number
        .and_then(|n| n.checked_sub(1))
        .ok_or(PageError::NoResult)?;
    let window = look.window.as_deref().and_then(Window::named);
    let turn = Arc::clone(&pages.viewed.turn).acquire_owned().await;
    let turn = turn.map_err(|_| PageError::Interrupted)?;
    off_runtime(move || {
        let _turn = turn;
        let record = pages.journal.series(&series)?;
        let record = record.ok_or(PageError::NoSuchSeries)?;
        let slices = Slices::of(&pages, &record)?;
        let place = slices.order.get(slice).ok_or(PageError::NoResult)?;
        let header = slices.headers.get(&place.sop_instance);
        let header = header.ok_or(PageError::NoResult)?;
        // Retention may have removed it, or it is one that cannot be decoded.
        let file = pages.spool.read(&place.sop_instance);
        let file = file.map_err(|_| PageError::NoResult)?;
        let image = FrameSource::open(&file, header).and_then(|source| source.frame(place.frame));
        let image = image.map_err(|_| PageError::NoResult)?;
        let edges = slices.edges.get(&slice).map_or(&[][..], Vec::as_slice);
        let png = picture(&image, window.unwrap_or(Window::Liver), edges);
        let png = png.map_err(|_| PageError::NoResult)?;
        pages.note_look(&viewer, &record)?;
        let headers = [
            (header::CONTENT_TYPE, "image/png"),
            // Its address says which result it shows.
            (header::CACHE_CONTROL, "private, max-age=600"),
        ];
        Ok((headers, png).into_response())
    })
    .await
}
