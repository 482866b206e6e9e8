import { createContext, useContext } from 'react';
import type { Me } from '../api/types.ts';

export const Session = createContext<Me>({ username: '', role: 'user' });

/** Who is signed in. */
export const useMe = (): Me => useContext(Session);
export const useIsAdmin = (): boolean => useMe().role === 'admin';
export const useIsDeveloper = (): boolean => useMe().role !== 'user';
