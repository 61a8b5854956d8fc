/** What may be under way at once. */
export interface Limits<Item> {
  items: number;
  /** Bytes that an item takes, and how many all together may; a larger one is under way alone. */
  bytesOf?: (item: Item) => number;
  bytes?: number;
}

/**
 * Yields `work(item)` for every item in the items' order, with no more under way at once than `limits` say.
 * `work` must not reject: the results after a rejected one would be left without a handler.
 */
export async function* mapInOrder<Item, Result>(
  items: Iterable<Item>,
  { items: mostItems, bytesOf = () => 0, bytes: mostBytes = Number.POSITIVE_INFINITY }: Limits<Item>,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const underWay: { result: Promise<Result>; bytes: number }[] = [];
  let sum = 0;
  const first = () => {
    const { result, bytes } = underWay.shift()!;
    sum -= bytes;
    return result;
  };
  for (const item of items) {
    const bytes = bytesOf(item);
    while (underWay.length > 0 && sum + bytes > mostBytes) yield await first();
    underWay.push({ result: work(item), bytes });
    sum += bytes;
    if (underWay.length >= mostItems) yield await first();
  }
  while (underWay.length > 0) yield await first();
}
