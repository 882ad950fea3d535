use super::DiskSpace;

/// How much room there is for what scanners want to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Room {
    Enough,
    /// Series that are being received may be finished; nobody should begin another.
    Short,
    /// What is left is for results and the journal.
    Reserve,
}

/// Where a disk stops being large enough, in bytes available.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Watermarks {
    /// Below this, [`Room::Short`]. Also what retention frees up to.
    pub short: u64,
    /// Below this, [`Room::Reserve`].
    pub reserve: u64,
    /// This much above a mark is needed to leave its state again, so that one removed series does
    /// not open the door for one association, and so on.
    pub margin: u64,
}

impl Watermarks {
    /// For a disk of `total` bytes: a scanner's largest series fits between the marks; they scale down
    /// on small disks.
    #[must_use]
    pub fn of(total: u64) -> Self {
        let short = (total / 20).min(4 << 30);
        Self {
            short,
            reserve: short / 2,
            margin: short / 8,
        }
    }

    /// The room there is now, after there was `before`.
    #[must_use]
    pub fn room(&self, space: DiskSpace, before: Room) -> Room {
        let above = |mark: u64, was_below: bool| {
            let margin = if was_below { self.margin } else { 0 };
            space.available >= mark.saturating_add(margin)
        };
        if !above(self.reserve, before == Room::Reserve) {
            Room::Reserve
        } else if !above(self.short, before != Room::Enough) {
            Room::Short
        } else {
            Room::Enough
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_closes_at_the_mark_and_opens_again_a_margin_above_it() {
        let marks = Watermarks {
            short: 100,
            reserve: 50,
            margin: 10,
        };
        let course = [
            (100, Room::Enough),
            (99, Room::Short),
            (109, Room::Short),
            (50, Room::Short),
            (49, Room::Reserve),
            (59, Room::Reserve),
            (60, Room::Short),
            (110, Room::Enough),
            (0, Room::Reserve),
            (1_000, Room::Enough),
        ];
        let mut room = Room::Enough;
        for (available, expected) in course {
            let space = DiskSpace {
                total: 1_000,
                available,
            };
            room = marks.room(space, room);
            assert_eq!(room, expected, "{available} bytes available");
        }
    }
}
