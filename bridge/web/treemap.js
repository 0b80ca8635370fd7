/** Returns `[item, x, y, width, height]` for items sorted by size, largest first.
 *
 * Squarified treemaps (Bruls, Huizing, van Wijk, 2000): rows are filled as long as their rectangles become
 * less oblong.
 */
export function squarify(items, size, width, height) {
  const placed = [], left = [...items];
  const total = items.reduce((sum, item) => sum + size(item), 0);
  const scale = total > 0 ? (width * height) / total : 0;
  let x = 0, y = 0;
  while (left.length) {
    const side = Math.min(width, height), row = [];
    let worst = Infinity;
    while (left.length) {
      const areas = [...row, left[0]].map(item => size(item) * scale);
      const sum = areas.reduce((a, b) => a + b, 0);
      const oblong = Math.max((side ** 2 * Math.max(...areas)) / sum ** 2, sum ** 2 / (side ** 2 * Math.min(...areas)));
      if (oblong > worst) break;
      worst = oblong;
      row.push(left.shift());
    }
    const sum = row.reduce((all, item) => all + size(item) * scale, 0), depth = side > 0 ? sum / side : 0;
    let along = 0;
    for (const item of row) {
      const length = depth > 0 ? (size(item) * scale) / depth : 0;
      placed.push(width >= height ? [item, x, y + along, depth, length] : [item, x + along, y, length, depth]);
      along += length;
    }
    if (width >= height) {
      x += depth;
      width -= depth;
    } else {
      y += depth;
      height -= depth;
    }
  }
  return placed;
}
