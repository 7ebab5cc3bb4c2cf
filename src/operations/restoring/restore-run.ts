import type { Server } from '../../config/server.ts';
import type { Place } from '../../restore/places/place.ts';
import type { PlannedRestore, RestorePlan } from '../../restore/plan/restore-plan.ts';
import type { StageClock } from '../../restore/plan/stage-clock.ts';
import type { Site } from './open-site.ts';

/** One restore under way. */
export interface RestoreRun {
  readonly server: Server;
  readonly plan: RestorePlan;
  readonly planned: PlannedRestore;
  readonly site: Site;
  readonly place: Place;
  readonly stages: StageClock;
}
