// The views, in the order of the list.

import type { FunctionComponent } from 'react';
import { Configuration } from './configuration';
import { Devices } from './devices';
import { Explain } from './explain';
import { Live } from './live';
import { Orders } from './orders';
import { Overview } from './overview';
import { Queues } from './queues';
import { Rooms } from './rooms';
import { Tenants } from './tenants';

export interface ViewProps {
  /** What stands in the address behind the view's name. */
  about: string;
}

export interface View {
  id: string;
  title: string;
  Content: FunctionComponent<ViewProps>;
  /** `operator`: for who sees all tenants. `tenant`: about one, so that an operator chooses first. */
  isFor: 'everyone' | 'operator' | 'tenant';
}

export const VIEWS: View[] = [
  { id: 'overview', title: 'Overview', Content: Overview, isFor: 'everyone' },
  { id: 'tenants', title: 'Tenants', Content: Tenants, isFor: 'operator' },
  { id: 'live', title: 'Live', Content: Live, isFor: 'tenant' },
  { id: 'orders', title: 'Orders', Content: Orders, isFor: 'tenant' },
  { id: 'devices', title: 'Devices', Content: Devices, isFor: 'tenant' },
  { id: 'rooms', title: 'Rooms', Content: Rooms, isFor: 'tenant' },
  { id: 'queues', title: 'Queues', Content: Queues, isFor: 'tenant' },
  { id: 'explain', title: 'Routing', Content: Explain, isFor: 'tenant' },
  { id: 'configuration', title: 'Configuration', Content: Configuration, isFor: 'operator' },
];
