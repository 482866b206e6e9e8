import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from '@mantine/core';

const pine: MantineColorsTuple = [
  '#ebf6f1',
  '#d5ebe1',
  '#aad7c4',
  '#79c1a3',
  '#52ae88',
  '#379d76',
  '#24805f',
  '#1b6c50',
  '#155843',
  '#0d4434',
];
const marigold: MantineColorsTuple = [
  '#fdf5e3',
  '#faeac6',
  '#f6d68d',
  '#f3c35c',
  '#f2b33d',
  '#dd9a1c',
  '#b67a0c',
  '#8f5f08',
  '#754d07',
  '#5a3b05',
];
const red: MantineColorsTuple = [
  '#fdeeec',
  '#fbdbd7',
  '#f6b6ae',
  '#f18d81',
  '#e9695a',
  '#db4a3b',
  '#c43a2d',
  '#a92f24',
  '#8c261d',
  '#6d1e17',
];
const sky: MantineColorsTuple = [
  '#ebf3f9',
  '#d6e6f2',
  '#aacde5',
  '#7bb2d7',
  '#5499c8',
  '#3a83b5',
  '#2b6d9c',
  '#235a82',
  '#1c496a',
  '#153952',
];
const violet: MantineColorsTuple = [
  '#f1effa',
  '#e2ddf4',
  '#c5bbea',
  '#a797de',
  '#8c78d2',
  '#755fc4',
  '#634db1',
  '#523f95',
  '#423377',
  '#33275c',
];
/** Neutral with a touch of the pine, from paper to ink. */
const gray: MantineColorsTuple = [
  '#f6f5f1',
  '#eeede7',
  '#e2e1da',
  '#dcdbd4',
  '#adb0a8',
  '#8d918a',
  '#676d67',
  '#525852',
  '#3c423d',
  '#272c29',
];
const dark: MantineColorsTuple = [
  '#e6eae7',
  '#c8cfcb',
  '#a3ada7',
  '#77827b',
  '#3d4843',
  '#2a332f',
  '#1a211e',
  '#101513',
  '#0b0f0d',
  '#070a09',
];

export const theme = createTheme({
  colors: { pine, marigold, red, sky, violet, gray, dark },
  primaryColor: 'pine',
  primaryShade: { light: 7, dark: 6 },
  black: '#1b211e',
  defaultRadius: 'md',
  radius: { xs: '4px', sm: '6px', md: '9px', lg: '14px', xl: '22px' },
  cursorType: 'pointer',
  respectReducedMotion: true,
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif',
  fontFamilyMonospace:
    'ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, "DejaVu Sans Mono", monospace',
  headings: {
    fontWeight: '650',
    sizes: {
      h1: { fontSize: '1.625rem', lineHeight: '1.25' },
      h2: { fontSize: '1.125rem', lineHeight: '1.35' },
      h3: { fontSize: '1rem', lineHeight: '1.4' },
    },
  },
  components: {
    Card: { defaultProps: { withBorder: true, radius: 'lg', padding: 'lg' } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 250, events: { hover: true, focus: true, touch: true } } },
    Modal: { defaultProps: { centered: true, radius: 'lg', closeButtonProps: { 'aria-label': 'Close' } } },
    Table: { defaultProps: { verticalSpacing: 'sm', horizontalSpacing: 'sm' } },
    Anchor: { defaultProps: { underline: 'hover' } },
  },
});

const NAMED = ['pine', 'marigold', 'red', 'sky', 'violet', 'gray'] as const;

/** Text on tints is dark enough to read in the light, and light enough in the dark: WCAG AA. */
export const variables: CSSVariablesResolver = () => {
  const light: Record<string, string> = {
    '--mantine-color-body': '#f6f5f1',
    '--mantine-color-dimmed': 'var(--mantine-color-gray-7)',
    '--mantine-color-placeholder': 'var(--mantine-color-gray-6)',
    '--mantine-color-error': 'var(--mantine-color-red-7)',
    '--mantine-color-anchor': 'var(--mantine-color-pine-7)',
    '--mantine-color-default-border': 'var(--mantine-color-gray-2)',
    '--avk-surface': '#ffffff',
    '--avk-sunken': '#faf9f6',
    '--avk-chart-cpu': '#1b6c50',
    '--avk-chart-memory': '#b3660c',
    '--avk-chart-disk': '#634db1',
    '--avk-chart-4': '#2b6d9c',
    '--avk-chart-5': '#a92f24',
    '--avk-chart-grid': '#e9e8e2',
    '--avk-chart-text': '#525852',
  };
  const night: Record<string, string> = {
    '--mantine-color-body': '#101513',
    '--mantine-color-dimmed': 'var(--mantine-color-dark-2)',
    '--mantine-color-placeholder': 'var(--mantine-color-dark-2)',
    '--mantine-color-error': 'var(--mantine-color-red-3)',
    '--mantine-color-anchor': 'var(--mantine-color-pine-3)',
    '--mantine-color-default-border': 'var(--mantine-color-dark-5)',
    '--avk-surface': '#171d1a',
    '--avk-sunken': '#131816',
    '--avk-chart-cpu': '#5fc29b',
    '--avk-chart-memory': '#f0b04a',
    '--avk-chart-disk': '#a797de',
    '--avk-chart-4': '#7bb2d7',
    '--avk-chart-5': '#f18d81',
    '--avk-chart-grid': '#252d29',
    '--avk-chart-text': '#a3ada7',
  };
  for (const name of NAMED) {
    light[`--mantine-color-${name}-text`] = `var(--mantine-color-${name}-7)`;
    light[`--mantine-color-${name}-light`] = `var(--mantine-color-${name}-0)`;
    light[`--mantine-color-${name}-light-hover`] = `var(--mantine-color-${name}-1)`;
    light[`--mantine-color-${name}-light-color`] = `var(--mantine-color-${name}-8)`;
    light[`--mantine-color-${name}-outline`] = `var(--mantine-color-${name}-7)`;
    night[`--mantine-color-${name}-text`] = `var(--mantine-color-${name}-3)`;
    night[`--mantine-color-${name}-light`] = `color-mix(in srgb, var(--mantine-color-${name}-6) 26%, transparent)`;
    night[`--mantine-color-${name}-light-hover`] =
      `color-mix(in srgb, var(--mantine-color-${name}-6) 36%, transparent)`;
    night[`--mantine-color-${name}-light-color`] = `var(--mantine-color-${name}-2)`;
    night[`--mantine-color-${name}-outline`] = `var(--mantine-color-${name}-3)`;
  }
  // The neutral's tint would not stand out from the paper.
  light['--mantine-color-gray-light'] = 'var(--mantine-color-gray-1)';
  light['--mantine-color-gray-light-hover'] = 'var(--mantine-color-gray-2)';
  return { variables: {}, light, dark: night };
};
