import type { ServerLayout } from '../../src/catalog/server-layout.ts';
import type { TestHome } from './test-home.ts';

/** Where the things of a server lie that moves none of its folders. */
export function layoutOf(home: TestHome, serverName: string): ServerLayout {
  const below = (name: string) => home.server(serverName, name);
  return {
    serverName,
    root: home.server(serverName),
    base: below('base'),
    wals: below('wals'),
    xlogdb: below('wals'),
    incoming: below('incoming'),
    streaming: below('streaming'),
    errors: below('errors'),
    locks: home.path,
  };
}
