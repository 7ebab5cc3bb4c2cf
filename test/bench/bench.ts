// npm run bench -- [start] [wal]: figures as ratios to an opponent in the same run. Needs what `npm test` prepares.
import { benchStart } from './bench-start.ts';
import { benchWal } from './bench-wal.ts';

const benches: Readonly<Record<string, () => Promise<string>>> = { start: benchStart, wal: benchWal };
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !Object.hasOwn(benches, name));
if (unknown.length > 0) {
  console.error(`no bench is called ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}
for (const [name, bench] of Object.entries(benches)) {
  if (asked.length === 0 || asked.includes(name)) console.log(await bench());
}
