//! Who goes first: the assignment of rows to columns with the greatest sum.

/// The greatest sum of `gain(row, column)` over all assignments of `size` rows to as many columns,
/// one to one (Kuhn and Munkres, with Jonker and Volgenant's shortest paths). O(size³).
pub(super) fn greatest(size: usize, gain: impl Fn(usize, usize) -> i64) -> i64 {
    // Row and column 0 stand for "none": rows and columns count from 1 here.
    let mut row_price = vec![0_i64; size + 1];
    let mut column_price = vec![0_i64; size + 1];
    let mut row_of = vec![0_usize; size + 1];
    let mut came_from = vec![0_usize; size + 1];
    for row in 1..=size {
        row_of[0] = row;
        let mut column = 0;
        let mut slack = vec![i64::MAX; size + 1];
        let mut seen = vec![false; size + 1];
        // Along tight pairs to a free column, prices moving where there is none.
        while row_of[column] != 0 {
            seen[column] = true;
            let here = row_of[column];
            let (mut least, mut next) = (i64::MAX, 0);
            for other in (1..=size).filter(|other| !seen[*other]) {
                let cost = -gain(here - 1, other - 1);
                let reduced = cost - row_price[here] - column_price[other];
                if reduced < slack[other] {
                    slack[other] = reduced;
                    came_from[other] = column;
                }
                if slack[other] < least {
                    least = slack[other];
                    next = other;
                }
            }
            for other in 0..=size {
                if seen[other] {
                    row_price[row_of[other]] += least;
                    column_price[other] -= least;
                } else if slack[other] != i64::MAX {
                    slack[other] -= least;
                }
            }
            column = next;
        }
        while column != 0 {
            let before = came_from[column];
            row_of[column] = row_of[before];
            column = before;
        }
    }
    (1..=size)
        .map(|column| gain(row_of[column] - 1, column - 1))
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By trying all.
    fn tried(gains: &[Vec<i64>], row: usize, taken: u32) -> i64 {
        if row == gains.len() {
            return 0;
        }
        let free = (0..gains.len()).filter(|column| taken & (1 << column) == 0);
        free.map(|column| gains[row][column] + tried(gains, row + 1, taken | (1 << column)))
            .max()
            .expect("as many columns as rows")
    }

    proptest! {
        #[test]
        fn no_assignment_is_greater(
            size in 1_usize..6,
            numbers in prop::collection::vec(0_i64..9, 36),
        ) {
            let gains: Vec<Vec<i64>> = numbers.chunks(6).map(<[i64]>::to_vec).collect();
            let gains: Vec<Vec<i64>> = gains.into_iter().take(size).map(|row| row[..size].to_vec()).collect();
            let found = greatest(size, |row, column| gains[row][column]);
            prop_assert_eq!(found, tried(&gains, 0, 0));
        }
    }
}
