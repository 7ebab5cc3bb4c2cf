import type { Check, CheckFacts, CheckTools } from '../check.ts';
import { fetchFirstWal } from '../first-wal.ts';
import { failed } from '../verdict.ts';

/** Some WAL was archived, or can be now. Archives what waits when there is none yet. */
export const walArchive: Check = {
  name: 'WAL archive',
  appliesTo: 'every',
  isCritical: true,
  async run(facts, tools) {
    if (!(await facts.wal.read()).isEmpty) return undefined;
    if (facts.backups.some(({ status }) => status === 'WAITING_FOR_WALS')) return undefined;
    if (mayTakeIn(facts) && (await takesIn(facts, tools))) return undefined;
    return failed('please make sure WAL shipping is setup');
  },
};

/** An inactive, passive or disabled server takes nothing in. */
function mayTakeIn({ server: { config } }: CheckFacts): boolean {
  return config.isActive && !config.isPassive && config.problems.length === 0;
}

async function takesIn(facts: CheckFacts, tools: CheckTools): Promise<boolean> {
  await tools.archivePending();
  if (!(await facts.wal.readAgain()).isEmpty) return true;
  return await fetchFirstWal(facts, tools);
}
