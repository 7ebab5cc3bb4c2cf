// npm run bench -- [SUBJECT ...] [--runs N] [--full] [--json FILE] [--save]: figures beside those of opponents in the same run.
// Needs what `npm test` prepares, and `npm run build`. docs/performance.md tells more.
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { allBenches } from './all-benches.ts';
import { describeMachine } from './describe-machine.ts';
import { formatTable } from './format-tables.ts';
import type { BenchTable } from './measure.ts';
import { saveTables } from './save-tables.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    full: { type: 'boolean', default: false },
    json: { type: 'string' },
    save: { type: 'boolean', default: false },
  },
});
const names = allBenches.map(({ name }) => name);
/** `backup` means `backup-rsync` too. */
const isMeantBy = (wanted: string) => (name: string) => name === wanted || name.startsWith(`${wanted}-`);
const unknown = positionals.filter((wanted) => !names.some(isMeantBy(wanted)));
const runs = Number(values.runs);
if (unknown.length > 0 || !Number.isSafeInteger(runs) || runs < 1) {
  console.error(
    unknown.length > 0 ? `no bench is called ${unknown.join(', ')}; there are ${names.join(', ')}` : '--runs takes a number',
  );
  process.exit(2);
}
const machine = await describeMachine();
console.log(`${machine}\n`);
const subjects: Record<string, readonly BenchTable[]> = {};
for (const { name, run } of allBenches) {
  if (positionals.length > 0 && !positionals.some((wanted) => isMeantBy(wanted)(name))) continue;
  const tables = await run({ runs, isFull: values.full });
  const text = tables.map(formatTable).join('\n');
  console.log(text);
  subjects[name] = tables;
  const day = new Date().toISOString().slice(0, 10);
  if (values.save) await saveTables(name, `Measured on ${day}: ${machine}.\n\n${text}`);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ day, machine, subjects }, null, 2)}\n`);
}
