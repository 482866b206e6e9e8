const INSTANT = /\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})/g;

/** What the platform tells, with its moments taken out to be shown as all others are, in the reader's zone: epoch in ms. */
export function partsOf(text: string): (string | number)[] {
  const parts: (string | number)[] = [];
  let end = 0;
  for (const match of text.matchAll(INSTANT)) {
    const at = Date.parse(match[0]);
    if (Number.isNaN(at)) continue;
    parts.push(kept(text.slice(end, match.index)), at);
    end = match.index + match[0].length;
  }
  parts.push(kept(text.slice(end)));
  return parts.filter((part) => part !== '');
}

/** A number stays with its per cent. */
function kept(text: string): string {
  return text.replace(/(\d) %/g, '$1\u00a0%');
}
