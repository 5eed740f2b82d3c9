//! The table of partitions in a card's first sector, and the chain of tables in an extended partition.

use anyhow::{Result, bail, ensure};

/// Bytes of a sector, and of a table.
pub const TABLE_BYTES: usize = 512;
const SECTOR: u64 = TABLE_BYTES as u64;
/// Where the four entries of a table begin, and how long each is.
const ENTRIES: usize = 446;
const ENTRY: usize = 16;
/// Types of an extended partition.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// More logical partitions than a card of ours could want; a chain that goes on is a loop.
const MOST: usize = 32;

/// One partition, with the number that the kernel and the firmware know it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// 1 to 4, or from 5 in an extended partition.
    pub number: u32,
    /// The type in the table, such as 0x0c for FAT.
    pub kind: u8,
    /// Where it begins, in bytes.
    pub start: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

impl Partition {
    /// Whether the firmware can read files there.
    pub fn is_fat(&self) -> bool {
        matches!(self.kind, 0x01 | 0x04 | 0x06 | 0x0b | 0x0c | 0x0e)
    }
}

/// All partitions of a card. `read` gives the 512 bytes at an offset.
///
/// # Errors
/// When a table is none, or can't be read, or the chain of logical partitions doesn't end.
pub fn partitions(mut read: impl FnMut(u64) -> Result<[u8; TABLE_BYTES]>) -> Result<Vec<Partition>> {
    let mut all = Vec::new();
    let mut extended = None;
    for (number, entry) in (1..).zip(entries(&read(0)?)?) {
        if EXTENDED.contains(&entry.kind) {
            extended = Some(entry.start);
        }
        if entry.kind != 0 {
            all.push(Partition { number, ..entry });
        }
    }
    let Some(first) = extended else {
        return Ok(all);
    };
    let mut table = first;
    for number in (5..).take(MOST) {
        let [own, next, ..] = entries(&read(table)?)?;
        if own.kind != 0 {
            let start = table.saturating_add(own.start);
            all.push(Partition { number, start, ..own });
        }
        if next.kind == 0 {
            return Ok(all);
        }
        // Links count from the extended partition's start, and not from the table that they are in.
        table = first.saturating_add(next.start);
    }
    bail!("the chain of logical partitions doesn't end after {MOST}")
}

/// The four entries of a table, all with number 0.
fn entries(table: &[u8; TABLE_BYTES]) -> Result<[Partition; 4]> {
    ensure!(
        table[TABLE_BYTES - 2..] == [0x55, 0xaa],
        "there is no table of partitions: the sector doesn't end in 55 aa"
    );
    let entry = |index: usize| {
        let entry = &table[ENTRIES + index * ENTRY..][..ENTRY];
        let sectors = |at: usize| {
            u64::from(u32::from_le_bytes([
                entry[at],
                entry[at + 1],
                entry[at + 2],
                entry[at + 3],
            ]))
        };
        Partition {
            number: 0,
            kind: entry[4],
            start: sectors(8) * SECTOR,
            length: sectors(12) * SECTOR,
        }
    };
    Ok([entry(0), entry(1), entry(2), entry(3)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Tables = BTreeMap<u64, [u8; TABLE_BYTES]>;

    fn table(entries: &[(u8, u32, u32)]) -> [u8; TABLE_BYTES] {
        let mut table = [0; TABLE_BYTES];
        for (index, (kind, start, sectors)) in entries.iter().enumerate() {
            let at = ENTRIES + index * ENTRY;
            table[at + 4] = *kind;
            table[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
            table[at + 12..at + 16].copy_from_slice(&sectors.to_le_bytes());
        }
        table[510] = 0x55;
        table[511] = 0xaa;
        table
    }

    fn read(tables: &Tables) -> Result<Vec<Partition>> {
        partitions(|at| {
            tables
                .get(&at)
                .copied()
                .ok_or_else(|| anyhow::anyhow!("nothing at {at}"))
        })
    }

    /// The layout of our card, as sfdisk writes it: two roots and the data in an extended partition.
    #[test]
    fn logical_partitions_are_found_where_the_chain_of_tables_says() {
        let tables = Tables::from([
            (
                0,
                table(&[
                    (0x0c, 2048, 131072),
                    (0x0c, 133120, 393216),
                    (0x0c, 526336, 393216),
                    (0x05, 919552, 4000000),
                ]),
            ),
            (
                919552 * 512,
                table(&[(0x83, 2048, 1572864), (0x05, 1574912, 1574912)]),
            ),
            (
                (919552 + 1574912) * 512,
                table(&[(0x83, 2048, 1572864), (0x05, 3149824, 850176)]),
            ),
            ((919552 + 3149824) * 512, table(&[(0x83, 2048, 848128)])),
        ]);
        let all = read(&tables).unwrap();
        let seen: Vec<_> = all
            .iter()
            .map(|one| (one.number, one.start / 512, one.is_fat()))
            .collect();
        assert_eq!(
            seen,
            [
                (1, 2048, true),
                (2, 133120, true),
                (3, 526336, true),
                (4, 919552, false),
                (5, 921600, false),
                (6, 2496512, false),
                (7, 4071424, false)
            ]
        );
        assert_eq!(all[6].length, 848128 * 512);
    }

    #[test]
    fn numbers_are_those_of_the_places_in_the_table() {
        let all = read(&Tables::from([(0, table(&[(0, 0, 0), (0x83, 9, 1)]))])).unwrap();
        assert_eq!(all.iter().map(|one| one.number).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_chain_that_bites_its_tail_is_an_error() {
        let tables = Tables::from([
            (0, table(&[(0x05, 8, 100)])),
            (8 * 512, table(&[(0x83, 1, 1), (0x05, 0, 9)])),
        ]);
        assert!(read(&tables).unwrap_err().to_string().contains("doesn't end"));
    }

    #[test]
    fn a_card_without_a_table_is_an_error() {
        assert!(read(&Tables::from([(0, [0; TABLE_BYTES])])).is_err());
    }

    proptest! {
        /// Whatever is on a card: an answer or an error, and an end.
        #[test]
        fn any_sectors_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 64), seed: u64) {
            let sector = |at: u64| {
                let mut sector = [0; TABLE_BYTES];
                sector[ENTRIES..510].copy_from_slice(&bytes);
                sector[500] ^= (at ^ seed) as u8;
                sector[510] = 0x55;
                sector[511] = 0xaa;
                Ok(sector)
            };
            if let Ok(all) = partitions(sector) {
                prop_assert!(all.len() <= 4 + MOST);
                prop_assert!(all.iter().all(|one| one.kind != 0));
            }
        }
    }
}
