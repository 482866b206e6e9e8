/** What a CSS variable of ours is at present: canvases do not know variables. */
export function cssColor(variable: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
}

/** What is drawn grows with the letters, as on very large screens. */
export const remPixels = (): number => Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
