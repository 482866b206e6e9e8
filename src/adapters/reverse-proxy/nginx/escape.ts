/** Characters that mean nothing to HTML, JSON or NGINX's own syntax, so that they can stand anywhere as they are. */
const PLAIN = /[^A-Za-z0-9 .,:()_-]/g;

/** Text for an HTML page inside a quoted NGINX string, where `$`, quotes and backslashes would mean something else. */
export function htmlInConf(text: string): string {
  return text.replace(/[^A-Za-z0-9 .,:()_-]/gu, (character) => `&#${character.codePointAt(0)};`);
}

/** Text for a JSON string inside a quoted NGINX string: `\uXXXX` for what is special, with the backslash doubled. */
export function jsonInConf(text: string): string {
  return jsonText(text).replaceAll('\\', '\\\\');
}

/** The same for where NGINX does not read it. */
export function jsonText(text: string): string {
  return text.replace(PLAIN, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
