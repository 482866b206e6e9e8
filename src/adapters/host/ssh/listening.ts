/**
 * The TCP ports that something listens on, from /proc/net/tcp and /proc/net/tcp6:
 * `0: 0100007F:1F90 00000000:0000 0A …`, where 0A is the state of a listener.
 */
export function listeningPorts(text: string): Set<number> {
  const ports = new Set<number>();
  for (const [, port = ''] of text.matchAll(/^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A /gm)) {
    ports.add(Number.parseInt(port, 16));
  }
  return ports;
}
