//! How much of an order was kept.

/// Kendall's tau between an order and that of the numbers, 1 if they are the same, by Knight's merge sort; and the
/// pairs that are the wrong way round.
pub(crate) fn tau(order: &[u32]) -> (f64, u64) {
    let n = order.len() as f64;
    if n < 2.0 {
        return (1.0, 0);
    }
    let mut values = order.to_vec();
    let mut spare = values.clone();
    let inversions = merge_sort(&mut values, &mut spare);
    (1.0 - 4.0 * inversions as f64 / (n * (n - 1.0)), inversions)
}

/// Sorts, and counts the pairs that were the wrong way round.
fn merge_sort(values: &mut [u32], spare: &mut [u32]) -> u64 {
    let (len, middle) = (values.len(), values.len() / 2);
    if len < 2 {
        return 0;
    }
    let mut inversions = merge_sort(&mut values[..middle], &mut spare[..middle]);
    inversions += merge_sort(&mut values[middle..], &mut spare[middle..]);
    spare.copy_from_slice(values);
    let (mut left, mut right) = (0, middle);
    for value in values.iter_mut() {
        if left < middle && (right == len || spare[left] <= spare[right]) {
            *value = spare[left];
            left += 1;
        } else {
            *value = spare[right];
            right += 1;
            inversions += (middle - left) as u64;
        }
    }
    inversions
}
