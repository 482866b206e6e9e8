/** An A whose bar is a sensor. */
export function Logo({ size = 28 }: { size?: number }) {
  const side = `${size / 16}rem`;
  return (
    <svg style={{ width: side, height: side }} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="var(--mantine-color-pine-8)" />
      <path
        d="M8.5 24 16 8l7.5 16"
        fill="none"
        stroke="#fff"
        strokeWidth="2.6"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
      <circle cx="16" cy="18.6" r="2.7" fill="var(--mantine-color-marigold-4)" />
    </svg>
  );
}
