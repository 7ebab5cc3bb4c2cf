// Target times as people and programs write them, beside PostgreSQL's own reading of the same text in the server's zone.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readPostgresZone } from '../../src/restore/target/postgres-zone.ts';
import { parseTargetTime, type ServerZone } from '../../src/restore/target/target-time.ts';
import { formatLongTime } from '../../src/shared/timestamp.ts';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { startCluster } from '../helpers/start-cluster.ts';

const zones = [
  'UTC',
  'Europe/Berlin',
  'Europe/London',
  'America/New_York',
  'America/Chicago',
  'Asia/Kolkata',
  'Asia/Shanghai',
  'Australia/Sydney',
  'UTC+3',
  '<+0530>-5:30',
  '-7',
  'posix/Asia/Tokyo',
];

/** How a day is written, with the place of its clock marked by `@`. */
const days = [
  '2026-11-25 @',
  '2026-11-25T@',
  '2026/11/25 @',
  '2026-6-5 @',
  '2026-10-25 @',
  '2026-03-29 @',
  'Nov 25, 2026 @',
  'November 25 2026 @',
  '25 Nov 2026 @',
  '25-Nov-2026 @',
  'Wed, 25 Nov 2026 @',
  'Wednesday, 25 November 2026 @',
  'Fri 5 Jun 2026 @',
];
const clocks = ['02:30:00', '2:3:4', '14:05', '23:59:59.999999', '2:30 PM', '12:00:00 AM', '01:02:03.1234565', '02:30:00.5'];
const offsets = ['', 'Z', '+00', '-03:30', ' +0530', '+1', ' -8', '+15:59', ' UTC', ' GMT'];
const words = [
  ...[
    'CET',
    'CEST',
    'EET',
    'EST',
    'EDT',
    'CST',
    'CDT',
    'PST',
    'BST',
    'IST',
    'AST',
    'NST',
    'ART',
    'SST',
    'ECT',
    'JST',
    'KST',
    'MSK',
    'WET',
    'HST',
  ],
  ...[
    'Europe/Berlin',
    'america/new_york',
    'Asia/Calcutta',
    'UTC+3',
    'GMT-1',
    'EST5EDT',
    'Japan',
    'Mars/Olympus',
    'zulu',
    'AM',
    'BC',
    'DST',
  ],
];
const others = [
  ...[
    '20261125T023000Z',
    '20261125T023000',
    '20261125T0230',
    '20261125 023000+02',
    '20261125T023000.25-03:30',
    '20260229T000000Z',
  ],
  ...[
    'Wed Nov 25 02:30:00 UTC 2026',
    'Wed Nov 25 02:30:00 AM CET 2026',
    'Wed 25 Nov 02:30:00 CET 2026',
    'Wed Nov 25 02:30:00 2026',
  ],
  ...[
    'Wed Nov 25 02:30:00.123456 2026 CET',
    'Thu Nov 26 02:30:00 AM EST 2026',
    'Sun Nov  1 01:30:00 EDT 2026',
    'Sun Nov  1 01:30:00 EST 2026',
  ],
  ...[
    'Wed, 25 Nov 2026 02:30:00 +0000',
    'Wed, 25 Nov 2026 02:30:00 -0800',
    'Wed, 25 Nov 2026 02:30:00 GMT',
    'Mon, 25 Nov 2026 02:30:00 +0000',
  ],
  ...[
    '2026-11-25',
    '2026/1/2',
    '2026-11-25 UTC',
    '2026-11-25+01',
    '2026-02-30 00:00:00',
    '2026-11-25 24:00:00',
    '2026-11-25 02:30:60',
  ],
  ...[
    '2026-11-25 02:60:00',
    '2026-11-25 13:00 PM',
    '2026-11-25 0:30 AM',
    '2026-11-25 02:30:00+16',
    '2026-11-25 02:30:00+01:60',
  ],
  ...[
    '2026-11-25 02:30:00+01:00:30',
    '2026-11-25T02:30:00,5+00',
    '2026-11-25 02',
    '2026-11-25 0230',
    '20261125023000',
    '26-11-25 02:30',
  ],
  ...[
    '11/25/2026 02:30',
    '25.11.2026 02:30',
    '01-02-2026 02:30',
    '2026.11.25 02:30',
    '2026-329 02:30',
    '2026-W48-3',
    'J2461370',
    '1795573800',
  ],
  ...['@1795573800', 'now', 'today', 'yesterday 02:30', 'tomorrow', 'epoch', 'infinity', '-infinity', 'allballs', ''],
  ...[
    '0026-11-25 02:30',
    '2026-11-25 02:30:00 BC',
    '12026-11-25 02:30',
    '2026-11-25  02:30:00   +01',
    '\t2026-11-25 02:30:00\n',
    '2026-11-25t02:30:00z',
  ],
  ...[
    '2026-11-25 02:30:00 P.M.',
    '2026-11-25 02:30:00 pm',
    '2026-11-25 2:30:00pm',
    '2026-11-25 02:30:00 +01:00 UTC',
    '2026-11-25 02:30:00 UTC Europe/Berlin',
  ],
  ...[
    'Wed Nov 25 2026 02:30:00 GMT+0100',
    '2026-11-25 02:30:00−01',
    '2026-11-25 02:30:00.',
    '2026-11-25 02:30:00.1234567899',
    '2026-11-25 -1:30:00',
  ],
];

const spellings = [
  ...days.flatMap((day, row) =>
    clocks.flatMap((clock, column) =>
      // one offset or another for each pair of day and clock, so that every offset meets every day
      [offsets[(row + column) % offsets.length] ?? '', offsets[(row + 3 * column + 5) % offsets.length] ?? ''].map((offset) =>
        day.replace('@', `${clock}${offset}`),
      ),
    ),
  ),
  ...['2026-11-25', '2026-06-15', '2026-10-25'].flatMap((day) => words.map((word) => `${day} 02:30:00 ${word}`)),
  ...others,
];

/** Read by everybody who is asked, on any server. */
const mustBeRead = [
  ...[
    'Wed Nov 25 02:30:00 UTC 2026',
    'Wed Nov 25 02:30:00 AM CET 2026',
    'Wed 25 Nov 02:30:00 CET 2026',
    'Wed, 25 Nov 2026 02:30:00 +0000',
  ],
  ...[
    '20261125T023000Z',
    '2026/11/25 02:30:00+00',
    '2026-11-25 2:3:4Z',
    '2026-11-25 2:30 PM UTC',
    '25-Nov-2026 14:05 UTC',
    'Nov 25, 2026 2:30 PM Z',
  ],
];

const readFunction = `CREATE FUNCTION read_time(words text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN (extract(epoch FROM words::timestamptz) * 1000000)::numeric(30, 0)::text;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END $$`;

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    beforeAll(async () => {
      cluster = await opened.add(startCluster({ major }));
      await cluster.query(readFunction);
    });
    afterAll(() => opened.close());

    test(`${String(spellings.length)} spellings are the instant that PostgreSQL reads, or refused`, async () => {
      const differing: string[] = [];
      for (const zone of zones) {
        for (const [index, theirs] of (await readAll(cluster, zone)).entries()) {
          const text = spellings[index] ?? '';
          const ours = read(text, zone);
          if (ours !== undefined && String(ours.epochMicros) !== theirs) {
            differing.push(`${zone}: '${text}' is ${formatLongTime(ours)} and not ${theirs ?? 'refused'}`);
          }
        }
      }
      expect(differing).toEqual([]);
    });

    test('at least half of them are read', async () => {
      const theirs = await readAll(cluster, 'Europe/Berlin');
      const ours = spellings.filter((text) => read(text, 'Europe/Berlin') !== undefined);
      expect(ours.length).toBeGreaterThan(theirs.filter((instant) => instant !== null).length / 2);
    });
  },
  [15, 18],
);

describe('the forms of date(1), of mail, of file names and of logs', () => {
  test.each(mustBeRead)("'%s' is read", (text) => {
    expect(read(text, 'Europe/Berlin')).toBeDefined();
  });
});

async function readAll(cluster: PostgresServer, zone: string): Promise<readonly (string | null)[]> {
  const list = JSON.stringify(spellings).replaceAll("'", "''");
  // two statements: the zone has to be set before the times are read
  const rows = await cluster.query(
    `SET timezone = '${zone}'; SELECT json_agg(read_time(value) ORDER BY ordinality)::text AS read FROM json_array_elements_text('${list}') WITH ORDINALITY`,
  );
  return JSON.parse(String(rows[0]?.['read'])) as (string | null)[]; // as read_time gives them
}

function read(text: string, zone: string) {
  const read = readPostgresZone(zone);
  if (read === undefined) throw new Error(`${zone} is not understood`);
  const server: ServerZone = { kind: 'known', zone: read, name: zone, origin: 'this test', hasUsualAbbreviations: true };
  try {
    return parseTargetTime(text, server).time;
  } catch {
    return undefined;
  }
}
