import type { PostgresServer } from './postgres-server.ts';
import { runWell } from './run-well.ts';
import type { TestHome } from './test-home.ts';
import { waitFor } from './wait-for.ts';

/** A server that can be asked, whoever starts it. */
interface Asked {
  query(sql: string, options: { readonly parameters: readonly unknown[] }): Promise<unknown[]>;
}

/** Lets `cron` start the receiver of a home's servers and waits until the slot is streamed from. */
export async function startReceiver(home: TestHome, cluster: PostgresServer, slot = 'barman'): Promise<void> {
  await runWell(['cron'], { home });
  await waitForReceiver(home, cluster, slot);
}

/** Waits until somebody streams from the slot. */
export async function waitForReceiver(home: TestHome, cluster: PostgresServer, slot = 'barman'): Promise<void> {
  await waitFor(`somebody streams from slot ${slot}`, async () => await isSlotActive(cluster, slot), {
    explain: () => home.log(),
  });
}

/** Whether the slot exists and is streamed from. */
export async function isSlotActive(cluster: Asked, slot = 'barman'): Promise<boolean> {
  const sql = 'SELECT 1 FROM pg_replication_slots WHERE slot_name = $1 AND active';
  return (await cluster.query(sql, { parameters: [slot] })).length === 1;
}
