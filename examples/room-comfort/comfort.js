/**
 * Whether a room is comfortable. Pure: readings and limits in, a verdict out.
 *
 * A reading is { at, temperature, humidity, co2 }: milliseconds since 1970, °C, % relative humidity, ppm.
 */

/** Relative humidity that is neither dry nor damp: 30 to 60 %, as the US EPA advises for homes. */
const DRY_BELOW = 30;
const DAMP_ABOVE = 60;
/** WHO Housing and Health Guidelines (2018): indoor temperatures should not be below 18 °C. */
const COLD_BELOW = 18;
/** Environment Canada: from a humidex of 30 on people feel discomfort. */
const SULTRY_FROM = 30;
/** So far above its limit, CO2 is more than a nuisance: 1.4 x 1000 ppm is the upper bound of the EN 13779 class "moderate". */
const BAD_AIR_FACTOR = 1.4;

/**
 * Vapour pressure of the air in hPa. Magnus formula with the coefficients of Sonntag (1990),
 * as in the WMO Guide to Instruments and Methods of Observation, annex 4.B.
 */
export function vapourPressure(temperature, humidity) {
  return 6.112 * Math.exp((17.62 * temperature) / (243.12 + temperature)) * (humidity / 100);
}

/** The temperature in °C at which the air's moisture condenses: the same formula solved for it. */
export function dewPoint(temperature, humidity) {
  const x = Math.log(vapourPressure(temperature, humidity) / 6.112);
  return (243.12 * x) / (17.62 - x);
}

/**
 * How warm it feels, in °C. Humidex: Masterton and Richardson, "Humidex, a method of quantifying human discomfort
 * due to excessive heat and humidity", Environment Canada, 1979. Never below the temperature itself.
 */
export function humidex(temperature, humidity) {
  return Math.max(temperature, temperature + (5 / 9) * (vapourPressure(temperature, humidity) - 10));
}

/** @returns {{ level: 'good' | 'fair' | 'poor', title: string, advice: string, feelsLike: number, dewPoint: number }} */
export function comfort({ temperature, humidity, co2 }, limits) {
  const feelsLike = humidex(temperature, humidity);
  const problems = [];
  if (co2 > limits.co2) problems.push({ word: 'stuffy', advice: 'Open a window for a few minutes.' });
  if (temperature > limits.temperature)
    problems.push({ word: 'too warm', advice: 'Shade the windows or cool the room.' });
  else if (feelsLike >= SULTRY_FROM) problems.push({ word: 'sultry', advice: 'Dry the air or let it move.' });
  if (temperature < COLD_BELOW) problems.push({ word: 'too cold', advice: 'Turn up the heating.' });
  if (humidity > DAMP_ABOVE) problems.push({ word: 'damp', advice: 'Air the room while it is drier outside.' });
  if (humidity < DRY_BELOW) problems.push({ word: 'dry', advice: 'A few plants or a humidifier help.' });
  const bad = problems.length > 1 || co2 > limits.co2 * BAD_AIR_FACTOR || feelsLike >= SULTRY_FROM + 5;
  return {
    level: problems.length === 0 ? 'good' : bad ? 'poor' : 'fair',
    title: capital(problems.map(({ word }) => word).join(' and ') || 'comfortable'),
    advice: problems.map(({ advice }) => advice).join(' ') || 'Temperature, humidity and air are as they should be.',
    feelsLike,
    dewPoint: dewPoint(temperature, humidity),
  };
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
