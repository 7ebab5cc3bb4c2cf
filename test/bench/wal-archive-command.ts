import { rm } from 'node:fs/promises';
import { openDelayedLink } from '../helpers/delayed-link.ts';
import { Opened } from '../helpers/opened.ts';
import { helperOf, openShipSite, type ShipSite, type Whose } from '../helpers/ship-site.ts';
import { type BenchTable, type Contender, measureInTurn } from './measure.ts';

/** Half of a round trip. */
const oneWayMs = 10;

/** `archive_command` over ssh, one segment after the other: each side's helper with its own `put-wal`. */
export async function benchArchiveCommand(segments: readonly string[], runs: number): Promise<BenchTable> {
  const opened = new Opened();
  try {
    const contenders: Record<string, Contender> = {};
    const sites: readonly [string, Whose][] = [
      ['pgcellar-wal-archive', 'ours'],
      ['barman-wal-archive', 'real Barman'],
    ];
    for (const [name, whose] of sites) {
      const site = await opened.add(openShipSite(whose));
      contenders[name] = sending(site, await helperOf(site, 'wal-archive', whose), segments);
    }
    const far = await opened.add(openShipSite('ours'));
    const link = await opened.add(openDelayedLink(far.port, oneWayMs));
    await far.addSshOptions(`-o Port=${String(link.port)} -o HostKeyAlias=[127.0.0.1]:${String(far.port)}`);
    contenders['pgcellar-wal-archive, 20 ms away'] = sending(far, await helperOf(far, 'wal-archive'), segments);
    const title = `archive_command over ssh, ${String(segments.length)} segments`;
    return await measureInTurn({ title, opponent: 'barman-wal-archive', runs }, contenders);
  } finally {
    await opened.close();
  }
}

function sending(site: ShipSite, program: string, segments: readonly string[]): Contender {
  return {
    prepare: async () => {
      await rm(site.home.server('main', 'incoming'), { recursive: true, force: true });
      await site.home.makeFolder('home/main/incoming');
    },
    work: async (meter) => {
      for (const path of segments) await meter.run(site.command([program, '127.0.0.1', 'main', path]));
    },
  };
}
