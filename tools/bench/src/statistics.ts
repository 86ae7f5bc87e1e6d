/** The median, the mean of the middle two where their number is even; undefined of nothing. */
export function median(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return ((sorted[(sorted.length - 1) >> 1] as number) + (sorted[middle] as number)) / 2;
}

/** Distance of the extremes in parts of the median; 0 for fewer than two values. */
export function spread(values: readonly number[]): number {
  const middle = median(values);
  if (values.length < 2 || !middle) return 0;
  return (Math.max(...values) - Math.min(...values)) / middle;
}

/** The geometric mean of positive numbers; undefined of nothing. */
export function geometricMean(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
