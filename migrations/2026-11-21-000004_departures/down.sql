drop table departures;
