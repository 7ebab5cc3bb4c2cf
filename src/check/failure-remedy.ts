import type { Server } from '../config/server.ts';
import type { OperatorError } from '../shared/operator-error.ts';
import { mendedBy, type NamedRemedy } from './remedies.ts';

/** The remedy for a check that could not be made at all, by the code of the failure. */
export function failureRemedy({ code, message, hint }: OperatorError, { config }: Server): NamedRemedy {
  switch (code) {
    case 'lock-failed':
      return mendedBy('lock-folder-unusable');
    case 'wal-index-invalid':
      return mendedBy('wal-index-broken');
    case 'program-missing':
      return mendedBy('util-linux-missing', { missing: 'flock or setpriv' });
    default:
      return mendedBy('unreadable', { reason: message, advice: hint ?? `see the log file for server ${config.name}` });
  }
}
