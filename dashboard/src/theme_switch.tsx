import { useState } from 'react';

const PLACE = 'foodtrack-dashboard-theme';
const NEXT = { system: 'light', light: 'dark', dark: 'system' } as const;
type Theme = keyof typeof NEXT;

function chosen(): Theme {
  const said = document.documentElement.dataset.theme;
  return said === 'light' || said === 'dark' ? said : 'system';
}

/** Light, dark, or as the system is. */
export function ThemeSwitch() {
  const [theme, setTheme] = useState<Theme>(chosen);
  const turn = () => {
    const next = NEXT[theme];
    if (next === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      if (next === 'system') localStorage.removeItem(PLACE);
      else localStorage.setItem(PLACE, next);
    } catch {
      // Storage is forbidden here: it holds until the next reload.
    }
    setTheme(next);
    // Charts are painted in the theme's colours.
    dispatchEvent(new Event('themechange'));
  };
  return <button className="quiet" onClick={turn} aria-label={`Theme: ${theme}. Change to ${NEXT[theme]}`}>{{ system: '◐', light: '☀', dark: '☾' }[theme]}</button>;
}
