import { account } from './account'
import { booking } from './booking'
import { catalogue } from './catalogue'
import { check } from './check'
import { clinic } from './clinic'
import { common } from './common'
import { consultation } from './consultation'
import { notices } from './notices'
import { medication } from './medication'
import { nursing } from './nursing'
import { practitioners } from './practitioners'
import { tags } from './tags'
import { members } from './members'
import { patient } from './patient'
import { practice } from './practice'
import { prescriptions } from './prescriptions'
import { recordings } from './recordings'
import { reports } from './reports'
import { rights } from './rights'
import { room } from './room'
import { security } from './security'
import { signing } from './signing'
import { talks } from './talks'

/** Every text of the app, in simplified Chinese. */
export const zh = {
  common,
  ...account,
  ...booking,
  ...catalogue,
  ...check,
  ...clinic,
  ...notices,
  ...patient,
  ...practice,
  ...prescriptions,
  ...consultation,
  ...recordings,
  ...reports,
  ...rights,
  ...room,
  ...medication,
  ...nursing,
  ...practitioners,
  ...tags,
  ...members,
  ...talks,
  ...security,
  ...signing,
} as const
